"""What differs in words, as sections of a report."""

from collections.abc import Sequence

from saelake.explaining.claims.decided import JudgedHypothesis
from saelake.explaining.claims.sections import (
    ReportQuote,
    ReportSection,
    difference_said,
    share_said,
    verdict_said,
)
from saelake.explaining.hypotheses.contrasts import RelabelledFeature
from saelake.explaining.hypotheses.options import HypothesisOptions


def summary(
    hypotheses: Sequence[JudgedHypothesis],
    options: HypothesisOptions,
    n_judged_a: int,
    n_judged_b: int,
) -> ReportSection:
    """All hypotheses, and what came of them."""
    o, n, n_accepted = options, len(hypotheses), sum(row.is_accepted for row in hypotheses)
    head = ("", "Hypothesis", "A", "B", "A - B [95 %]", "p", f"p ({o.correction})")
    rows = [
        (verdict_said(row), _claim(row), *_shares(row), *difference_said(row)) for row in hypotheses
    ]
    said = (
        f"{n_accepted} of {n} hypotheses accepted: {o.rule.test}, corrected by {o.correction} for "
        f"all {n} that were made, at {o.level:g}.",
        f"Judged were {n_judged_a:,} texts of A and {n_judged_b:,} of B, which were held back: no "
        "feature was chosen and nothing was written by them. The judge was not told of which side "
        "a text is.",
    )
    return ReportSection(title="Hypotheses", lines=said, table=(head, *rows) if rows else ())


def _claim(row: JudgedHypothesis) -> str:
    return f"More often in {row.hypothesis.more_in}: {row.hypothesis.statement}"


def _shares(row: JudgedHypothesis) -> tuple[str, str]:
    return share_said(row.a), share_said(row.b)


def judged(number: int, row: JudgedHypothesis) -> ReportSection:
    """A hypothesis with its quotes."""
    features = ", ".join(map(str, row.hypothesis.features)) or "none named"
    lines = [f"{verdict_said(row)}; features: {features}."]
    if row.n_pairs is not None:
        lines.append(f"{row.n_pairs:,} pairs of which both texts were read.")
    quotes = tuple(map(ReportQuote.of, row.quotes))
    return ReportSection(title=f"{number}. {_claim(row)}", lines=tuple(lines), quotes=quotes)


def relabelled(features: Sequence[RelabelledFeature]) -> ReportSection:
    """The features from which hypotheses were made."""
    head = ("Feature", "More in", "A", "B", "q", "Label by both sides", "Label of the lake")
    table = (head, *(_feature(each) for each in features))
    return ReportSection(title="Features that differ", table=table)


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
