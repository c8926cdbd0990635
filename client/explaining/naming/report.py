"""Groups with their names: everything that was found and asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isnan
from typing import Any

import pyarrow as pa

from saelake.answers.plain import plain
from saelake.explaining.claims.decided import JudgedHypothesis
from saelake.explaining.claims.sections import ReportSection
from saelake.explaining.claims.stages import ModelAsked
from saelake.explaining.naming.evidence import GroupFeature
from saelake.explaining.naming.groups import Kind
from saelake.explaining.naming.options import NamingOptions
from saelake.explaining.naming.sections import TITLES, sections
from saelake.explaining.scores.estimates import UNKNOWN, ScoreEstimate


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedGroup:
    """A cluster or a family of `size` documents or features, its name, and what judges said of it.

    `name` is None where there is none, and `why`. `judged` is None where there is no name, and
    where no document was left to judge it.
    """

    number: int
    size: int
    features: tuple[GroupFeature, ...]
    name: str | None
    why: str
    judged: JudgedHypothesis | None

    @property
    def holds(self) -> bool:
        """Whether judges find that the name fits the group's documents more often than others."""
        return self.judged is not None and self.judged.is_accepted

    @property
    def accuracy(self) -> ScoreEstimate:
        """How well documents of the group are told from others by the name: .5 is a guess.

        The mean of the share of the group's documents that it fits and of the others that it does
        not, with its interval of 95 %: half of their difference, and of Newcombe's interval.
        """
        if self.judged is None or isnan(self.judged.difference.value):
            return UNKNOWN
        of = self.judged.difference
        value, low, high = ((1 + each) / 2 for each in (of.value, of.low, of.high))
        n = self.judged.a.n_read + self.judged.b.n_read
        return ScoreEstimate(value=value, low=low, high=high, n=n)


@dataclass(frozen=True, slots=True, kw_only=True)
class NamingReport:
    """The groups of a selection with their names, in their order; `state` is that of the lake."""

    kind: Kind
    selection: str
    state: str | None
    options: NamingOptions
    groups: tuple[NamedGroup, ...]
    notes: tuple[str, ...]
    asked: ModelAsked

    @property
    def holding(self) -> tuple[NamedGroup, ...]:
        """The groups whose names hold."""
        return tuple(group for group in self.groups if group.holds)

    @property
    def title(self) -> str:
        """What the report is about."""
        return f"{TITLES[self.kind]} of {self.selection}"

    def sections(self) -> Iterator[ReportSection]:
        """The report from its summary to what was asked."""
        return sections(self)

    def to_plain(self) -> dict[str, Any]:
        """The report as one JSON document."""
        said = {
            "kind": self.kind,
            "selection": self.selection,
            "state": self.state,
            "options": asdict(self.options),
            "test": self.options.rule.test,
            "groups": [_row(group) for group in self.groups],
            "notes": self.notes,
            "asked": asdict(self.asked),
        }
        document: dict[str, Any] = plain(said)
        return document

    def to_arrow(self) -> pa.Table:
        """A row for each group."""
        return pa.Table.from_pylist([_flat(group) for group in self.groups], schema=NAMED)


NAMED = pa.schema(
    [
        pa.field("number", pa.uint32()),
        pa.field("size", pa.uint64()),
        pa.field("name", pa.string()),
        pa.field("holds", pa.bool_()),
        pa.field("accuracy", pa.float64()),
        pa.field("ci_low", pa.float64()),
        pa.field("ci_high", pa.float64()),
        pa.field("n", pa.uint32()),
        pa.field("n_unread", pa.uint32()),
        pa.field("share_in", pa.float64()),
        pa.field("share_out", pa.float64()),
        pa.field("p_value", pa.float64()),
        pa.field("corrected", pa.float64()),
        pa.field("sure", pa.bool_()),
        pa.field("features", pa.list_(pa.string())),
        pa.field("why", pa.string()),
    ]
)


def _flat(group: NamedGroup) -> Mapping[str, Any]:
    of, accuracy, judged = group, plain(asdict(group.accuracy)), group.judged
    return {
        "number": of.number,
        "size": of.size,
        "name": of.name,
        "holds": of.holds,
        "accuracy": accuracy["value"],
        "ci_low": accuracy["low"],
        "ci_high": accuracy["high"],
        "n": accuracy["n"],
        "n_unread": 0 if judged is None else judged.a.n_unread + judged.b.n_unread,
        "share_in": None if judged is None else judged.a.share,
        "share_out": None if judged is None else judged.b.share,
        "p_value": None if judged is None else judged.difference.p_value,
        "corrected": None if judged is None else judged.corrected,
        "sure": None if judged is None else judged.is_sure,
        "features": [str(each.feature) for each in of.features],
        "why": of.why,
    }


def _row(group: NamedGroup) -> Mapping[str, Any]:
    """A group of the document: the flat row, its features, and quotes of its documents."""
    quotes = () if group.judged is None else group.judged.quotes
    return {
        **_flat(group),
        "features": [asdict(each) for each in group.features],
        "quotes": [{"side": q.side, "doc": q.doc, "id": q.id, "quote": q.quote} for q in quotes],
    }


def naming_notes(groups: Sequence[NamedGroup]) -> Iterator[str]:
    """What whoever reads the names must know."""
    if not groups:
        yield "There is no group, so nothing was asked."
    if n := sum(group.name is None for group in groups):
        yield f"{n} of {len(groups)} groups have no name."
    judged = [group.judged for group in groups if group.judged is not None]
    if n := sum(group.name is not None and group.judged is None for group in groups):
        yield f"{n} names were not judged: no document was left for it."
    if n := sum(of.a.n_unread + of.b.n_unread for of in judged):
        yield f"{n:,} verdicts could not be read, and are in no share."
    if n := sum(not of.is_sure for of in judged):
        yield (
            f"{n} of the names would be decided otherwise if all unread verdicts spoke against "
            "them."
        )
