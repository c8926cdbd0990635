"""Where a label is from, and how good it is: scores of several kinds, and what made it."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow as pa

from saelake.store.errors import InvalidInput

# What a score measures. Of detection and fuzzing the balanced accuracy of a judge, of intruder the
# share that it found, of embedding, surprisal and words an area under the ROC curve, of simulation
# a correlation; `other` is one of which nobody said.
ScoreKind = Literal[
    "detection", "fuzzing", "embedding", "surprisal", "other", "words", "intruder", "simulation"
]
# Kinds of which a guess is worth .5 and no fault 1 can be a label's score: the first that it has.
RANKING: tuple[ScoreKind, ...] = (
    "detection",
    "fuzzing",
    "embedding",
    "surprisal",
    "other",
    "words",
)
MOST_SCORES, MOST_EXAMPLES = 32, 1000
LONGEST = 1000  # characters of a name, or the id of an example

SCORE = pa.struct(
    [
        pa.field("kind", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("low", pa.float64()),
        pa.field("high", pa.float64()),
        pa.field("n", pa.int64()),
        pa.field("by", pa.string()),
        pa.field("on", pa.string()),
    ]
)
MADE = pa.struct(
    [
        pa.field("model", pa.string()),
        pa.field("prompt", pa.string()),
        pa.field("n_examples", pa.int64()),
        pa.field("examples", pa.list_(pa.string())),
        pa.field("prompt_tokens", pa.int64()),
        pa.field("completion_tokens", pa.int64()),
        pa.field("cost", pa.float64()),
        pa.field("time", pa.timestamp("us", "UTC")),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelScore:
    """How good a label is: a value of a kind, its 95 % interval, and over how many examples.

    `by` is the model that judged (None: none did), and `on` the corpus.
    """

    kind: ScoreKind
    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    by: str | None = None
    on: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelMade:
    """What made a label: the `model` that explained, and the hash of its `prompt`.

    `examples` are the ids of those that it was shown, and `n_examples` how many; the tokens are the
    server's count, the `cost` is in the currency of its prices, and `time` is when.
    """

    model: str | None = None
    prompt: str | None = None
    n_examples: int | None = None
    examples: tuple[str, ...] = ()
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    time: datetime | None = None


def ranking(scores: Iterable[LabelScore]) -> LabelScore | None:
    """The score that ranks and filters: the first, in the order of `RANKING`, that there is."""
    found = {score.kind: score for score in reversed(tuple(scores))}
    return next((found[kind] for kind in RANKING if kind in found), None)


def check_scores(scores: tuple[LabelScore, ...]) -> None:
    """Raise `InvalidInput` for scores that cannot be of one label."""
    if len(scores) > MOST_SCORES:
        raise InvalidInput(f"A label has at most {MOST_SCORES} scores, not {len(scores)}.")
    for score in scores:
        if not -1 <= score.value <= 1:
            raise InvalidInput(f"A score is a share, area or correlation, not {score.value}.")
        _check_interval(score)
        _check_count("n", score.n)
        _check_names(by=score.by, on=score.on)


def check_made(made: LabelMade | None) -> None:
    """Raise `InvalidInput` for what cannot have made a label."""
    if made is None:
        return
    if len(made.examples) > MOST_EXAMPLES:
        raise InvalidInput(f"At most {MOST_EXAMPLES:,} examples of a label are kept.")
    if made.examples and made.n_examples not in (None, len(made.examples)):
        raise InvalidInput(
            f"n_examples is {made.n_examples}, but {len(made.examples)} are named: leave it out."
        )
    for name in ("n_examples", "prompt_tokens", "completion_tokens", "cost"):
        _check_count(name, getattr(made, name))
    longest = max(made.examples, key=len, default="")
    _check_names(model=made.model, prompt=made.prompt, example=longest)


def _check_interval(score: LabelScore) -> None:
    low = -1 if score.low is None else score.low
    high = 1 if score.high is None else score.high
    if not -1 <= low <= score.value <= high <= 1:
        raise InvalidInput(
            f"The interval of a {score.kind} score does not hold it: {score.value} in {low} to "
            f"{high}."
        )


def _check_count(name: str, value: float | None) -> None:
    if value is not None and value < 0:
        raise InvalidInput(f"{name} cannot be less than 0, as {value}.")


def _check_names(**names: str | None) -> None:
    for name, text in names.items():
        if text is not None and len(text) > LONGEST:
            raise InvalidInput(f"{name} has at most {LONGEST:,} characters, not {len(text):,}.")


# -- As rows of Arrow tables, which are mappings.


def score_rows(scores: Iterable[LabelScore]) -> list[dict[str, Any]] | None:
    """The scores as a table has them; None of none."""
    return [asdict(score) for score in scores] or None


def scores_in(rows: Iterable[Mapping[str, Any]] | None) -> tuple[LabelScore, ...]:
    """The scores that a table has."""
    return tuple(LabelScore(**row) for row in rows or ())


def made_row(made: LabelMade | None) -> dict[str, Any] | None:
    """What made a label, as a table has it."""
    if made is None:
        return None
    n = made.n_examples if made.n_examples is not None else len(made.examples) or None
    time = None if made.time is None else _utc(made.time)
    return {**asdict(made), "n_examples": n, "examples": list(made.examples), "time": time}


def made_in(row: Mapping[str, Any] | None) -> LabelMade | None:
    """What made a label, of what a table has; None where nothing is known."""
    known = {name: value for name, value in (row or {}).items() if value not in (None, [])}
    if "examples" in known:
        known["examples"] = tuple(known["examples"])
    return LabelMade(**known) if known else None


def _utc(time: datetime) -> datetime:
    """A moment in UTC; one without a zone is taken for one."""
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
