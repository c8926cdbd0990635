"""The rows of a size: its lake's contenders, each asked in a process of its own."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from benchmarks.common.measure import elapsed_s, peak_bytes, size_bytes
from benchmarks.common.report import Cell
from benchmarks.common.synthetic import NAME
from benchmarks.common.turns import TURN, in_turn
from benchmarks.query.answering import DUCKDB, SAELAKE, Answered, Answering
from benchmarks.query.delphi_cache import DelphiCache
from benchmarks.query.race import Question, check_equal
from benchmarks.query.sizes import Made, Size
from saelake.store.lake.lake import Lake
from saelake.store.snapshot.collection import Collection

MIB = 1 << 20
MILLIONS = "M codes"
LEFT_OUT = ", left out"
Row = dict[str, Cell]
# Of a row of a contender; the others are of its lake.
MEASURED = (
    "B a code",
    "first ms",
    "cold p50 ms",
    "cold p99 ms",
    "p50 ms",
    "p99 ms",
    "cold reads",
    "reads",
    "peak MiB",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """How much is asked, and whom beside saelake: each up to so many codes."""

    cold: int
    warm: int
    scans: int
    threads: int
    seed: int
    duckdb_up_to: float
    delphi_up_to: float
    peers_python: Path | None

    def questions(self, lake: Path) -> list[Question]:
        """Features at random, each once."""
        width = Collection(Lake(str(lake)), NAME).settings.width
        features = np.random.default_rng(self.seed).permutation(width)[: self.cold + self.warm]
        return [Question(stratum="all", feature=feature) for feature in features.tolist()]


def rows_of(size: Size, asking: Asking) -> Iterator[Row]:
    """A row for each contender of a lake, made where it is missing."""
    lake = size.lake()
    made, questions = Made.of(lake), asking.questions(lake)
    kinds = {"saelake": (lake, made.n_bytes)}
    missing = f"{DUCKDB}{LEFT_OUT}"
    if size.n_codes <= asking.duckdb_up_to:
        try:
            copy = size.copy("duckdb", asking.threads)
            kinds["duckdb"] = (copy, size_bytes(copy))
        except RuntimeError as error:  # no room, or none for its sorting
            missing = f"{DUCKDB}, failed: {error}"
    with ExitStack() as stack:
        contenders = [
            stack.enter_context(closing(Answering(kind, place, asking.threads)))
            for kind, (place, _) in kinds.items()
        ]
        answers = asked_in_turns(contenders, questions, asking.cold)
        for contender, (_, n_bytes) in zip(contenders, kinds.values(), strict=True):
            found = measured(answers[contender.name], asking.cold)
            peak = contender.peak_bytes / MIB
            yield row(made, contender.name, {
                "B a code": n_bytes / made.n_codes, **found, "peak MiB": peak
            })  # fmt: skip
    if "duckdb" not in kinds:
        yield row(made, missing, {})
    if asking.peers_python and size.n_codes <= asking.delphi_up_to:
        yield delphi_row(size, made, answers[SAELAKE], questions, asking)


def asked_in_turns(
    contenders: Sequence[Answering], questions: Sequence[Question], cold: int
) -> Mapping[str, list[Answered]]:
    """The answers of everyone, which must be equal.

    The first `cold` questions go to one contender after the other, as a process that begins to be
    asked has them; then everyone answers ten of them in turn.
    """
    answers: dict[str, list[Answered]] = {contender.name: [] for contender in contenders}
    bounds = [0, *range(cold, len(questions), TURN), len(questions)]
    for number, (begin, end) in enumerate(pairwise(bounds)):
        asked = questions[begin:end]
        for contender in in_turn(contenders, number):
            answers[contender.name] += [
                contender.ask(each.feature, each.k, each.context) for each in asked
            ]
        hits = {name: [answer.hits for answer in each[begin:]] for name, each in answers.items()}
        check_equal(asked, hits)
    return answers


def measured(answers: Sequence[Answered], cold: int) -> Row:
    """The columns of a contender."""
    ms = _ms(answers)
    reads = np.array([answer.reads.calls for answer in answers])
    return {
        "first ms": float(ms[0]),
        "cold p50 ms": float(np.median(ms[1:cold])),
        "cold p99 ms": float(np.quantile(ms[1:cold], 0.99)),
        "p50 ms": float(np.median(ms[cold:])),
        "p99 ms": float(np.quantile(ms[cold:], 0.99)),
        "cold reads": float(reads[1:cold].mean()),
        "reads": float(reads[cold:].mean()),
    }


def _ms(answers: Sequence[Answered]) -> npt.NDArray[np.float64]:
    return 1e3 * np.array([answer.seconds for answer in answers])


def row(made: Made, name: str, cells: Mapping[str, Cell]) -> Row:
    """A row of the table; what `cells` does not have is left empty."""
    unindexed = f" and {made.n_unindexed} to index" if made.n_unindexed else ""
    segments = f"{made.n_segments}{unindexed}"
    return {
        MILLIONS: made.n_codes / 1e6,
        "": name,
        "documents": made.n_documents,
        "segments": segments,
        **{column: cells.get(column) for column in MEASURED},
    }


def failed_row(size: Size, error: Exception) -> Row:
    """A row of a size that failed: why, in a line, and without where its folder is."""
    (said, *_) = str(error).splitlines() or [""]
    for folder in (size.given, size.folder):
        said = said.replace(f"{folder.parent}/", "") if folder else said
    empty = dict.fromkeys(("documents", "segments", *MEASURED))
    name = f"failed, {type(error).__name__}: {said}"
    return {MILLIONS: size.n_codes / 1e6, "": name, **empty}


def delphi_row(
    size: Size,
    made: Made,
    expected: Sequence[Answered],
    questions: Sequence[Question],
    asking: Asking,
) -> Row:
    """delphi, asked a few of the questions after everyone; its strongest value must be the same."""
    assert asking.peers_python
    cache = size.copy("delphi")
    delphi = DelphiCache(asking.peers_python, cache, questions[0].k, threads=asking.threads)
    with closing(delphi):
        fired = [i for i, answer in enumerate(expected) if answer.hits][: asking.scans]
        ms = []
        for i in fired:
            values: list[float] = []
            feature = questions[i].feature
            ms.append(1e3 * elapsed_s(lambda: values.extend(delphi.strongest(feature))))  # noqa: B023
            if np.float16(expected[i].hits[0]["value"]) != np.float16(values[0]):
                raise AssertionError(f"{SAELAKE} and delphi differ on feature {feature}")
        found: Row = {
            "B a code": size_bytes(cache) / made.n_codes,
            "first ms": ms[0],
            "p50 ms": float(np.median(ms[1:])),
            "p99 ms": float(np.quantile(ms[1:], 0.99)),
            "peak MiB": peak_bytes(delphi.process) / MIB,
        }
    return row(made, "delphi", found)
