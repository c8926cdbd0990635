"""What a lake says of a column of verdicts: by which rubric and model, over what, how well read."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from saelake.store.errors import Conflict

MADE_BY = "judge"
MOST_SELECTIONS = 20  # that are told of one column: the last ones


@dataclass(frozen=True, slots=True, kw_only=True)
class VerdictBasis:
    """What every verdict of one column has in common."""

    question: str
    scale: str
    model: str
    prompt: str  # the hash of the rubric's prompts
    characters: int  # that documents are cut to
    around: str | None = None

    def check(self, column: str, told: str | None, *, is_there: bool) -> Mapping[str, Any]:
        """What is told of a column that is there, if it is of this basis. Raises `Conflict`."""
        known = _judged(told)
        if not is_there:
            return {}
        if known is None:
            raise Conflict(
                f"There is a column {column!r}, which no rubric made: give the verdicts another "
                "name with --as."
            )
        own = asdict(self)
        other = [name for name in own if known.get(name) != own[name]]
        if other:
            raise Conflict(
                f"The column {column!r} has verdicts of another {' and '.join(other)}: verdicts of "
                "both would not be told apart. Give these another name with --as, or drop it first "
                f"(`saelake annotate CORPUS --column {column} --drop`)."
            )
        return known


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedSelection:
    """Over which documents a run was, and what came of it; of verdicts from before it, too."""

    where: str | None
    sample: int | None
    seed: int | None
    n_selected: int
    n_chosen: int
    n_judged: int = 0
    n_unreadable: int = 0
    n_unanswered: int = 0
    n_unquoted: int = 0
    n_cut: int = 0
    when: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AboutVerdicts:
    """What is told of a column."""

    basis: VerdictBasis
    n_requests: int = 0
    n_tokens: int = 0
    cost: float | None = None
    before: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    def told(self, selection: JudgedSelection) -> str:
        """It as JSON, with this selection as the last."""
        own = asdict(selection)
        kept = [before for before in self.before if selected_by(before) != selected_by(own)]
        selections = [*kept, own][-MOST_SELECTIONS:]
        spent = {"n_requests": self.n_requests, "n_tokens": self.n_tokens, "cost": self.cost}
        said = {"by": MADE_BY, **asdict(self.basis), **spent, "selections": selections}
        return json.dumps(said, ensure_ascii=False)


def selected_by(selection: Mapping[str, Any]) -> tuple[Any, ...]:
    """What tells a selection from others."""
    return selection["where"], selection["sample"], selection["seed"]


def _judged(told: str | None) -> Mapping[str, Any] | None:
    try:
        known = json.loads(told or "null")
    except ValueError:
        return None
    return known if isinstance(known, dict) and known.get("by") == MADE_BY else None
