"""What differs in words, as sections of a report."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from saelake.explaining.claims.decided import JudgedHypothesis
from saelake.explaining.claims.sections import (
    ReportQuote,
    ReportSection,
    asked_section,
    difference_said,
    share_said,
    verdict_said,
)
from saelake.explaining.hypotheses.contrasts import RelabelledFeature

if TYPE_CHECKING:
    from saelake.explaining.hypotheses.report import HypothesisReport


def sections(report: "HypothesisReport") -> Iterator[ReportSection]:
    """The report from its summary to what was asked."""
    yield _summary(report)
    for number, row in enumerate(report.hypotheses, 1):
        yield _hypothesis(number, row)
    if report.features:
        yield ReportSection(title="Features that differ", table=_features(report.features))
    if report.notes:
        yield ReportSection(title="Notes", lines=report.notes)
    yield _asked(report)


def _summary(report: "HypothesisReport") -> ReportSection:
    o, n = report.options, len(report.hypotheses)
    head = ("", "Hypothesis", "A", "B", "A - B [95 %]", "p", f"p ({o.correction})")
    rows = [
        (verdict_said(row), _claim(row), *_shares(row), *difference_said(row))
        for row in report.hypotheses
    ]
    said = (
        f"{len(report.accepted)} of {n} hypotheses accepted: {report.test}, corrected by "
        f"{o.correction} for all {n} that were made, at {o.level:g}.",
        f"Judged were {report.n_judged_a:,} texts of A and {report.n_judged_b:,} of B, which were "
        "held back: no feature was chosen and nothing was written by them. The judge was not told "
        "of which side a text is.",
    )
    return ReportSection(title="Hypotheses", lines=said, table=(head, *rows) if rows else ())


def _claim(row: JudgedHypothesis) -> str:
    return f"More often in {row.hypothesis.more_in}: {row.hypothesis.statement}"


def _shares(row: JudgedHypothesis) -> tuple[str, str]:
    return share_said(row.a), share_said(row.b)


def _hypothesis(number: int, row: JudgedHypothesis) -> ReportSection:
    features = ", ".join(map(str, row.hypothesis.features)) or "none named"
    lines = [f"{verdict_said(row)}; features: {features}."]
    if row.n_pairs is not None:
        lines.append(f"{row.n_pairs:,} pairs of which both texts were read.")
    quotes = tuple(map(ReportQuote.of, row.quotes))
    return ReportSection(title=f"{number}. {_claim(row)}", lines=tuple(lines), quotes=quotes)


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


def _asked(report: "HypothesisReport") -> ReportSection:
    return asked_section(
        report.asked,
        f"Features: {report.n_features_tested:,} tested in the texts that were not held back, by "
        f"{report.diff_test}.",
        f"Read were the first {report.options.n_tokens:,} tokens of a text; {report.n_cut:,} of "
        "those judged are longer.",
        state=report.state,
    )
