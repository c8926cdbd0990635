"""Groups with their names, as sections of a report."""

from collections.abc import Mapping, Sequence

from saelake.answers.text import several
from saelake.explaining.claims.sections import (
    ReportQuote,
    ReportSection,
    share_said,
    verdict_said,
)
from saelake.explaining.naming.groups import Kind
from saelake.explaining.naming.named import NamedGroup
from saelake.explaining.naming.options import NamingOptions

TITLES: Mapping[Kind, str] = {"cluster": "Clusters", "family": "Families of features"}
NOUNS: Mapping[Kind, str] = {"cluster": "document", "family": "feature"}
SIDES: Mapping[str, str] = {"A": "in it", "B": "elsewhere"}


def summary(kind: Kind, groups: Sequence[NamedGroup], options: NamingOptions) -> ReportSection:
    """All groups, and what came of their names."""
    o, n = options, sum(group.name is not None for group in groups)
    n_holding = sum(group.holds for group in groups)
    head = ("", kind, f"{NOUNS[kind]}s", "name", "accuracy [95 %]", "fits in it")
    rows = [_line(group) for group in groups]
    said = (
        f"{n_holding} of {n} names hold: {o.rule.test}, corrected by {o.correction} for "
        f"all {n} that were made, at {o.level:g}.",
        "A name is judged in documents that were held back, of the group and others: the judge is "
        "not told which. The accuracy is balanced; .5 is a guess.",
    )
    table = ((*head, "fits elsewhere", f"p ({o.correction})"), *rows) if rows else ()
    return ReportSection(title="Names", lines=said, table=table)


def _line(group: NamedGroup) -> tuple[str, ...]:
    name = f"none: {group.why}" if group.name is None else group.name
    start = (_holds(group), str(group.number), f"{group.size:,}", name)
    if group.judged is None:
        return (*start, "unknown", "", "", "")
    of, accuracy = group.judged, group.accuracy
    said = "unknown"
    if accuracy.is_known:
        said = f"{accuracy.value:.2f} [{accuracy.low:.2f}, {accuracy.high:.2f}], n = {accuracy.n}"
    return (*start, said, share_said(of.a), share_said(of.b), f"{of.corrected:.2g}")


def _holds(group: NamedGroup) -> str:
    if group.name is None:
        return "unnamed"
    if group.judged is None:
        return "not judged"
    return verdict_said(group.judged, yes="holds", no="does not hold")


def of_group(kind: Kind, group: NamedGroup) -> ReportSection:
    """A group with its features, and passages that its name was found in."""
    name = "no name" if group.name is None else group.name
    lines = [f"{_holds(group)}; {several(group.size, NOUNS[kind])}."]
    head = ("Feature", "In it", "Elsewhere", "Label")
    rows = [
        (str(of.feature), f"{of.frequency_in:.0%}", f"{of.frequency_out:.0%}", of.called)
        for of in group.features
    ]
    quotes = () if group.judged is None else group.judged.quotes
    return ReportSection(
        title=f"{kind} {group.number}: {name}",
        lines=tuple(lines),
        table=(head, *rows) if rows else (),
        quotes=tuple(
            ReportQuote(side=SIDES[quote.side], id=quote.id, quote=quote.quote) for quote in quotes
        ),
    )
