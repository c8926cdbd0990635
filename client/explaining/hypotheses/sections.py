"""A report as sections of text, before it is written in any form: one content for all of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isnan

from saelake.explaining.hypotheses.decided import JudgedHypothesis, SideCount, TextVerdict
from saelake.explaining.hypotheses.report import HypothesisReport, RelabelledFeature


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportQuote:
    """A passage of a text, and whose it is."""

    side: str
    id: str
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSection:
    """A title, lines, a table whose first row is its head, and quotes."""

    title: str
    lines: tuple[str, ...] = ()
    table: tuple[tuple[str, ...], ...] = ()
    quotes: tuple[ReportQuote, ...] = ()


def title(report: HypothesisReport) -> str:
    """What the report is about."""
    return f"How {report.a} (A) differs from {report.b} (B)"


def sections(report: HypothesisReport) -> Iterator[ReportSection]:
    """The report from its summary to what was asked."""
    yield _summary(report)
    for number, row in enumerate(report.hypotheses, 1):
        yield _hypothesis(number, row)
    if report.features:
        yield ReportSection(title="Features that differ", table=_features(report.features))
    if report.notes:
        yield ReportSection(title="Notes", lines=report.notes)
    yield _asked(report)


def _summary(report: HypothesisReport) -> ReportSection:
    o, n = report.options, len(report.hypotheses)
    head = ("", "Hypothesis", "A", "B", "A - B [95 %]", "p", f"p ({o.correction})")
    rows = [(_verdict(row), _claim(row), *_shares(row), *_test(row)) for row in report.hypotheses]
    said = (
        f"{len(report.accepted)} of {n} hypotheses accepted: {report.test}, corrected by "
        f"{o.correction} for all {n} that were made, at {o.level:g}.",
        f"Judged were {report.n_judged_a:,} texts of A and {report.n_judged_b:,} of B, which were "
        "held back: no feature was chosen and nothing was written by them. The judge was not told "
        "of which side a text is.",
    )
    return ReportSection(title="Hypotheses", lines=said, table=(head, *rows) if rows else ())


def _verdict(row: JudgedHypothesis) -> str:
    said = "accepted" if row.is_accepted else "rejected"
    return said if row.is_sure else f"{said} (unsure)"


def _claim(row: JudgedHypothesis) -> str:
    return f"More often in {row.hypothesis.more_in}: {row.hypothesis.statement}"


def _shares(row: JudgedHypothesis) -> tuple[str, str]:
    return _share(row.a), _share(row.b)


def _share(count: SideCount) -> str:
    unread = f", {count.n_unread} unread" if count.n_unread else ""
    share = "none read" if count.share is None else f"{count.share:.0%}"
    return f"{share} ({count.n_holds} of {count.n_read}{unread})"


def _test(row: JudgedHypothesis) -> tuple[str, str, str]:
    found = row.difference
    if isnan(found.value):
        return "unknown", "1", "1"
    effect = f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}]"
    return effect, f"{found.p_value:.2g}", f"{row.corrected:.2g}"


def _hypothesis(number: int, row: JudgedHypothesis) -> ReportSection:
    features = ", ".join(map(str, row.hypothesis.features)) or "none named"
    lines = [f"{_verdict(row)}; features: {features}."]
    if row.n_pairs is not None:
        lines.append(f"{row.n_pairs:,} pairs of which both texts were read.")
    quotes = tuple(map(_quote, row.quotes))
    return ReportSection(title=f"{number}. {_claim(row)}", lines=tuple(lines), quotes=quotes)


def _quote(verdict: TextVerdict) -> ReportQuote:
    return ReportQuote(side=verdict.side, id=verdict.id, quote=verdict.quote)


def _features(features: Sequence[RelabelledFeature]) -> tuple[tuple[str, ...], ...]:
    head = ("Feature", "More in", "A", "B", "q", "Label by both sides", "Label of the lake")
    return (head, *(_feature(each) for each in features))


def _feature(each: RelabelledFeature) -> tuple[str, ...]:
    of = each.of
    return (
        str(of.feature),
        of.more_in,
        f"{of.frequency_a:.1%}",
        f"{of.frequency_b:.1%}",
        f"{of.q_value:.2g}",
        f"none: {each.why}" if each.label is None else each.label,
        of.stored or "",
    )


def _asked(report: HypothesisReport) -> ReportSection:
    asked = report.asked
    lines = [
        f"Model {asked.model} at {asked.base_url}"
        + (f", which calls itself {', '.join(asked.said)}." if asked.said else "."),
        *(
            f"{s.stage}: {s.n_prompts:,} prompts, {s.n_unread:,} unreadable answers, "
            f"{s.n_unanswered:,} unanswered."
            for s in asked.stages
        ),
        f"The run {asked.run!r} took {asked.spending}; replies that were kept cost nothing.",
        f"Features: {report.n_features_tested:,} tested in the texts that were not held back, by "
        f"{report.diff_test}.",
        f"Read were the first {report.options.n_tokens:,} tokens of a text; {report.n_cut:,} of "
        "those judged are longer.",
    ]
    if report.state is not None:
        lines.append(f"State of the lake: {report.state}")
    return ReportSection(title="What was asked", lines=tuple(lines))
