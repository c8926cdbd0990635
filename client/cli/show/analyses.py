"""Analyses as people read them."""

from collections.abc import Iterable, Sequence

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from saelake.answers.analyses import (
    Associations,
    Clusters,
    Correlations,
    Diff,
    Difference,
    Families,
    FoundDocument,
    FoundDocuments,
    Labels,
    Matches,
    Neighbors,
)
from saelake.answers.text import described, one_line
from saelake.cli.show.lookups import SHADES, marked

WORDS_CHARACTERS = 24
WIDE = 100  # characters of a screen on which intervals have room


def found(documents: FoundDocuments) -> RenderableType:
    """Documents: how they begin, and below it which they are and why."""
    if not len(documents):
        return Text("No document shares a feature with what was asked about.")
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right", style="bold", no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    for document in documents:
        grid.add_row(f"{document.score:.3f}", Text(one_line(document.text)))
        about = f"{one_line(document.id)}  {one_line(described(document.metadata))}".strip()
        grid.add_row("", Text(about, style="dim", no_wrap=True, overflow="ellipsis"))
        if document.shared_features:
            grid.add_row("", Text(_shared(document), style="dim"))
    return grid


def _shared(document: FoundDocument) -> str:
    named = (f"{s.feature} {s.share:.0%}{_words(s.label)}" for s in document.shared_features)
    return f"shares {', '.join(named)}"


def _words(label: str | None) -> str:
    """A label where there is hardly room: of an automatic one the words it fires on."""
    brief = _label(label).removeprefix("fires on ").partition(";")[0]
    cut = brief if len(brief) <= WORDS_CHARACTERS else f"{brief[: WORDS_CHARACTERS - 1]}…"
    return f" ({cut})" if brief else ""


def _label(label: str | None) -> str:
    """A label, whole: it is wrapped where there is no room."""
    return one_line(label or "")


def diff(answer: Diff, sides: Sequence[str], console: Console) -> RenderableType:
    """Frequencies on both sides, and the strongest token on the side where there are more."""
    a, *others = sides
    against = others[0] if len(others) == 1 else f"{len(others)} others"
    head = Text.assemble(("a ", "bold"), one_line(a), ("\nb ", "bold"), one_line(against))
    # Where there is little room, what does not fit is said by the other formats.
    interval = (f"{answer.level:.0%} interval",) if console.width >= WIDE else ()
    again = ("q again",) if "confirm_share" in answer.about else ()
    numbers = ("feature", "in a", "in b", "a - b", *interval, "q", *again)
    table = _table(numbers, ("where it is more frequent",))
    for row in answer:
        span = (row.interval,) if interval else ()
        confirmed = (_number(row.confirmed_q_value, "{:.1g}"),) if again else ()
        table.add_row(
            str(row.feature),
            _number(row.frequency_a, "{:.1%}"),
            _number(row.frequency_b, "{:.1%}"),
            _points(row.difference),
            *span,
            _number(row.q_value, "{:.1g}"),
            *confirmed,
            _side(row, console),
        )
    notes = (Text(one_line(note), style="yellow") for note in answer.notes)
    return Group(head, Text(answer.head, style="dim"), *notes, table)


def _number(value: float | None, shown: str) -> str:
    return "-" if value is None else shown.format(value)


def _points(value: float | None) -> str:
    """A difference in percentage points."""
    return "-" if value is None else f"{100 * value:+.1f}"


def _side(row: Difference, console: Console) -> Text:
    label = Text(_label(row.label), style="bold")
    example = row.example
    if example is None:
        return label
    end = example.token_start + example.token_length
    parts = example.text[: example.token_start], example.text[end:]
    before, after = map(one_line, parts)
    shown = Text.assemble(before, marked(one_line(example.token), SHADES[-1], console), after)
    return Text.assemble(label, "\n" if row.label else "", shown)


def associations(answer: Associations) -> RenderableType:
    """Effects, largest first."""
    head = f"{answer.statistic}, over {answer.n:,} documents; {answer.n_tested:,} features tested"
    table = _table(("feature", "effect", "q", "documents"), ("label",))
    for row in answer:
        table.add_row(
            str(row.feature),
            f"{row.effect:.3f}",
            f"{row.q_value:.1g}",
            f"{row.n_documents:,}",
            _label(row.label),
        )
    return Group(Text(head, style="dim"), table)


def correlations(answer: Correlations) -> RenderableType:
    """Pairs, strongest first."""
    if not len(answer):
        return Text("No pair of features fires together as strongly; try a lower --min-npmi.")
    table = _table(("a", "b", "NPMI", "both", "b given a", "a given b"), ("labels",))
    for row in answer:
        table.add_row(
            str(row.feature_a),
            str(row.feature_b),
            f"{row.npmi:.3f}",
            f"{row.n_both:,}",
            f"{row.b_given_a:.0%}",
            f"{row.a_given_b:.0%}",
            _labels((row.label_a, row.label_b)),
        )
    return Group(Text(f"over {answer.n:,} documents", style="dim"), table)


def _labels(labels: Iterable[str | None]) -> str:
    return "\n".join(_label(label) for label in labels if label)


def clusters(answer: Clusters) -> RenderableType:
    """Each cluster's size, what is distinctive of it, and its most central documents."""
    lines: list[RenderableType] = []
    if answer.n_left_out:
        lines.append(Text(f"{answer.n_left_out:,} documents have none of the features"))
    for cluster in answer:
        head = Text.assemble((f"cluster {cluster.cluster}", "bold"), f"  {cluster.n_documents:,}")
        lines.append(Text.assemble(head, " documents"))
        table = _table(("feature", "inside", "outside"), ("label",))
        for feature in cluster.features:
            table.add_row(
                str(feature.feature),
                f"{feature.frequency_in:.0%}",
                f"{feature.frequency_out:.0%}",
                _label(feature.label),
            )
        lines.append(table)
        for document in cluster.central:
            text = f"{one_line(document.id)}  {one_line(document.text)}"
            lines.append(Text(f"  {text}", style="dim", no_wrap=True, overflow="ellipsis"))
    return Group(*lines)


def matches(answer: Matches) -> RenderableType:
    """Pairs of features of two dictionaries."""
    table = _table(("a", "b", "score"), ("labels",))
    for row in answer:
        labels = _labels((row.label_a, row.label_b))
        table.add_row(str(row.feature_a), str(row.feature_b), f"{row.score:.3f}", labels)
    return table if len(answer) else Text("No feature has a match.")


def families(answer: Families) -> RenderableType:
    """Families with their first features."""
    table = _table(("size", "mean NPMI"), ("features", "labels"))
    for row in answer:
        features = ", ".join(map(str, row.features[:6]))
        more = " …" if row.n_features > 6 else ""
        labels = _labels(row.labels[:3])
        table.add_row(str(row.n_features), f"{row.mean_npmi:.3f}", features + more, labels)
    return table if len(answer) else Text("No features fire together as strongly.")


def labels(answer: Labels) -> RenderableType:
    """What features are called."""
    table = _table(("feature",), ("label", "explainer"))
    for row in answer:
        table.add_row(str(row.feature), one_line(row.label), one_line(row.explainer))
    return table if len(answer) else Text("There are no such labels; make some: saelake label.")


def neighbors(answer: Neighbors) -> RenderableType:
    """Features by the cosine of their directions."""
    table = _table(("feature", "cosine"), ("label",))
    for row in answer:
        table.add_row(str(row.feature), f"{row.cosine:.3f}", _label(row.label))
    return table


def _table(numbers: Sequence[str], texts: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for name in texts:
        table.add_column(name, ratio=1)
    return table
