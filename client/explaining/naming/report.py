"""Groups with their names: everything that was found and asked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from saelake.answers.plain import plain
from saelake.explaining.claims.sections import ReportSection, asked_section
from saelake.explaining.claims.stages import ModelAsked
from saelake.explaining.naming.groups import Kind
from saelake.explaining.naming.named import NamedGroup
from saelake.explaining.naming.options import NamingOptions
from saelake.explaining.naming.sections import TITLES, of_group, summary


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
        yield summary(self.kind, self.groups, self.options)
        for group in self.groups:
            yield of_group(self.kind, group)
        if self.notes:
            yield ReportSection(title="Notes", lines=self.notes)
        tokens = f"Read were the first {self.options.n_tokens:,} tokens of a text."
        yield asked_section(self.asked, tokens, state=self.state)

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
