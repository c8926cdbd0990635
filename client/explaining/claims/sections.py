"""A report as sections of text, before it is written in any form: one content for all of them."""

from collections.abc import Iterator
from dataclasses import dataclass
from math import isnan
from typing import Any, Protocol

from saelake.explaining.claims.decided import JudgedHypothesis, SideCount
from saelake.explaining.claims.stages import ModelAsked
from saelake.explaining.claims.verdicts import TextVerdict


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportQuote:
    """A passage of a text, and whose it is."""

    side: str
    id: str
    quote: str

    @classmethod
    def of(cls, verdict: TextVerdict) -> "ReportQuote":
        """The passage that a verdict quotes."""
        return cls(side=verdict.side, id=verdict.id, quote=verdict.quote)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """A title, lines, a table whose first row is its head, and quotes."""

    title: str
    lines: tuple[str, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()
    quotes: tuple[ReportQuote, ...] = ()


class WrittenReport(Protocol):
    """What can be written as Markdown, as a page and as JSON, and shown on a terminal."""

    @property
    def title(self) -> str:
        """What the report is about."""

    def sections(self) -> Iterator[ReportSection]:
        """The report from its summary to what was asked."""

    def to_plain(self) -> dict[str, Any]:
        """The report as one JSON document."""


def verdict_said(row: JudgedHypothesis, yes: str = "accepted", no: str = "rejected") -> str:
    """What came of a hypothesis, and whether unread answers could turn it."""
    said = yes if row.is_accepted else no
    return said if row.is_sure else f"{said} (unsure)"


def share_said(count: SideCount) -> str:
    """On how many texts of a side it holds."""
    unread = f", {count.n_unread} unread" if count.n_unread else ""
    share = "none read" if count.share is None else f"{count.share:.0%}"
    return f"{share} ({count.n_holds} of {count.n_read}{unread})"


def difference_said(row: JudgedHypothesis) -> tuple[str, str, str]:
    """The difference with its interval, the p-value, and that corrected."""
    found = row.difference
    if isnan(found.value):
        return "unknown", "1", "1"
    effect = f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
    return effect, f"{found.p_value:.2g}", f"{row.corrected:.2g}"


def asked_section(asked: ModelAsked, *more: str, state: str | None) -> ReportSection:
    """What was asked of whom, and what it took; `more` are lines about the lake."""
    lines = [
        f"Model {asked.model} at {asked.base_url}"
        + (f", which calls itself {', '.join(asked.said)}." if asked.said else "."),
        *(
            f"{s.stage}: {s.n_prompts:,} prompts, {s.n_unread:,} unreadable answers, "
            f"{s.n_unanswered:,} unanswered."
            for s in asked.stages
        ),
        f"The run {asked.run!r} took {asked.spending}; replies that were kept cost nothing.",
        *more,
    ]
    if state is not None:
        lines.append(f"State of the lake: {state}")
    return ReportSection(title="What was asked", lines=tuple(lines))
