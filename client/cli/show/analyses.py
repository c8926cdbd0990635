"""Analyses as people read them."""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from saelake.answers.agreements import Agreements
from saelake.answers.associations import Associations
from saelake.answers.clusters import Clusters
from saelake.answers.correlations import Correlations
from saelake.answers.differences import Diff, Difference
from saelake.answers.families import Families
from saelake.answers.found import ChosenFeature, FoundDocument, FoundDocuments
from saelake.answers.labels import Label, Labels, Neighbors
from saelake.answers.matches import Matches
from saelake.answers.text import described, named, one_line
from saelake.cli.show.lookups import SHADES, marked

ADVICE = re.compile(r"\bcontrol=(length(?:\(\))?)")
WORDS_CHARACTERS = 24
WIDE = 100  # characters of a screen on which intervals have room


def found(documents: FoundDocuments, *, chosen: bool = False) -> RenderableType:
    """Documents: how they begin, and below it which they are and why.

    With `chosen`, and first, which features stand for the phrase asked about.
    """
    if chosen and documents.chosen:
        return Group(_standing(documents.chosen), found(documents))
    if not len(documents):
        none = Text("No document shares a feature with what was asked about.")
        return Group(*_notes(documents.notes), none)
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(justify="right", style="bold", no_wrap=True)
    grid.add_column(ratio=1, overflow="fold")
    for document in documents:
        grid.add_row(f"{document.score:.3f}", Text(one_line(document.text)))
        about = f"{one_line(document.id)}  {one_line(described(document.metadata))}".strip()
        grid.add_row("", Text(about, style="dim", no_wrap=True, overflow="ellipsis"))
        if document.shared_features:
            grid.add_row("", Text(_shared(document), style="dim"))
    return Group(*_notes(documents.notes), grid)


def _shared(document: FoundDocument) -> str:
    shared = (
        f"{named(s.feature, s.pole)} {s.share:.0%}{_words(s.label)}"
        for s in document.shared_features
    )
    return f"shares {', '.join(shared)}"


def _words(label: str | None) -> str:
    """A label where there is hardly room: of an automatic one the words it fires on."""
    brief = _label(label).replace("fires on ", "", 1).partition(";")[0]
    cut = brief if len(brief) <= WORDS_CHARACTERS else f"{brief[: WORDS_CHARACTERS - 1]}…"
    return f" ({cut})" if brief else ""


def _label(label: str | None) -> str:
    """A label, whole: it is wrapped where there is no room."""
    return one_line(label or "")


def diff(answer: Diff, sides: Sequence[str], console: Console) -> RenderableType:
    """Frequencies on both sides, and the strongest token on the side where there are more."""
    names = _names(sides)
    head = Text("\n").join(
        Text.assemble((f"{name} ", "bold"), one_line(side))
        for name, side in zip(names, sides, strict=True)
    )
    several = ("b",) if len(sides) > 2 else ()
    # Where there is little room, what does not fit is said by the other formats.
    interval = (f"{answer.level:.0%} interval",) if console.width >= WIDE else ()
    again = ("q again",) if "confirm_share" in answer.about else ()
    numbers = ("feature", *several, "in a", "in b", "a - b", *interval, "q", *again)
    table = _table(numbers, ("where it is more frequent",))
    for row in answer:
        span = (row.interval,) if interval else ()
        confirmed = (_number(row.confirmed_q_value, "{:.1g}"),) if again else ()
        table.add_row(
            str(named(row.feature, row.pole)),
            *((_name(row.against, answer.others, names),) if several else ()),
            _number(row.frequency_a, "{:.1%}"),
            _number(row.frequency_b, "{:.1%}"),
            _points(row.difference),
            *span,
            _number(row.q_value, "{:.1g}"),
            *confirmed,
            _side(row, console),
        )
    return Group(head, *said(answer.head, answer.notes), table)


def _names(sides: Sequence[str]) -> list[str]:
    """What the sides are called: a and b, or a and b1, b2, ..."""
    if len(sides) == 2:
        return ["a", "b"]
    return ["a", *(f"b{number}" for number in range(1, len(sides)))]


def _name(against: str, others: Sequence[str], names: Sequence[str]) -> str:
    """What the side is called that a row is against."""
    return names[1 + others.index(against)] if against in others else one_line(against)


def _number(value: float | None, shown: str) -> str:
    return "-" if value is None else shown.format(value)


def _points(value: float | None) -> str:
    """A difference in percentage points."""
    return "-" if value is None else f"{100 * value:+.1f}"


def _side(row: Difference, console: Console) -> Text:
    label = Text(_label(row.label), style="bold")
    if row.example is None:
        return label
    before, token, after = map(one_line, row.example.parts)
    shown = Text.assemble(before, marked(token, SHADES[-1], console), after)
    return Text.assemble(label, "\n" if row.label else "", shown)


def associations(answer: Associations) -> RenderableType:
    """Effects, largest first."""
    again = ("q again",) if "confirm_share" in answer.about else ()
    classes = len({row.category for row in answer}) > 1
    table = _table(("feature", "effect", "q", *again, "documents"), ())
    table.add_column(f"{answer.about.get('level', 0.95):.0%} interval", justify="right")
    for name in ("class", "label") if classes else ("label",):
        table.add_column(name, ratio=1)
    for row in answer:
        table.add_row(
            str(named(row.feature, row.pole)),
            _known(row.effect, "{:.3f}"),
            _known(row.q_value, "{:.1g}"),
            *((_known(row.confirmed_q_value, "{:.1g}"),) if again else ()),
            f"{row.n_documents:,}",
            f"{_known(row.ci_low, '{:.2f}')} to {_known(row.ci_high, '{:.2f}')}",
            *((_label(row.category),) if classes else ()),
            _label(row.label),
        )
    return Group(*said(answer.head, answer.notes), table)


def _known(value: float | None, shown: str) -> str:
    return "-" if value is None else shown.format(value)


def said(head: str, notes: Iterable[str]) -> Iterator[Text]:
    """How it was counted and tested, and what must be known of it."""
    yield Text(one_line(head), style="dim")
    yield from _notes(notes)


def _notes(notes: Iterable[str]) -> Iterator[Text]:
    return (Text(one_line(typed(note)), style="yellow") for note in notes)


def typed(note: str) -> str:
    """A note, with what it advises as it is typed: `--control 'length()'` for control=length()."""
    return ADVICE.sub(lambda found: f"--control {shlex.quote(found[1])}", note)


def typed_notes(document: Mapping[str, Any]) -> dict[str, Any]:
    """An answer's JSON, with notes as for who types."""
    notes = {"notes": [typed(note) for note in document["notes"]]} if "notes" in document else {}
    return {**document, **notes}


def correlations(answer: Correlations) -> RenderableType:
    """Pairs, strongest first."""
    if not len(answer):
        none = "No pair of features fires together as strongly; try a lower --min-npmi."
        return Group(Text(none), *said(answer.head, answer.notes))
    more = ("controlled", "q") if answer.is_controlled else ()
    table = _table(("a", "b", "NPMI", *more, "both", "b given a", "a given b"), ("labels",))
    for row in answer:
        tested = _known(row.controlled_npmi, "{:.3f}"), _known(row.q_value, "{:.1g}")
        table.add_row(
            str(named(row.feature_a, row.pole_a)),
            str(named(row.feature_b, row.pole_b)),
            f"{row.npmi:.3f}",
            *(tested if more else ()),
            f"{row.n_both:,}",
            f"{row.b_given_a:.0%}",
            f"{row.a_given_b:.0%}",
            _labels((row.label_a, row.label_b)),
        )
    return Group(*said(answer.head, answer.notes), table)


def _labels(labels: Iterable[str | None]) -> str:
    return "\n".join(_label(label) for label in labels if label)


def clusters(answer: Clusters, *, chosen: bool = False) -> RenderableType:
    """Each cluster's size, what is distinctive of it, and its most central documents.

    With `chosen`, and first, which features stand for the phrase asked about.
    """
    lines: list[RenderableType] = [_standing(answer.chosen)] if chosen else []
    if answer.n_left_out:
        lines.append(Text(answer.left_out))
    for cluster in answer:
        head = Text.assemble((f"cluster {cluster.cluster}", "bold"), f"  {cluster.n_documents:,}")
        lines.append(Text.assemble(head, " document" if cluster.n_documents == 1 else " documents"))
        table = _table(("feature", "inside", "outside"), ("label",))
        for feature in cluster.features:
            table.add_row(
                str(named(feature.feature, feature.pole)),
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
        a, b = named(row.feature_a, row.pole_a), named(row.feature_b, row.pole_b)
        table.add_row(str(a), str(b), f"{row.score:.3f}", labels)
    return Group(*_notes(answer.notes), table if len(answer) else Text("No feature has a match."))


def families(answer: Families) -> RenderableType:
    """Families with their first features."""
    table = _table(("size", "mean NPMI"), ("features", "labels"))
    for row in answer:
        features = ", ".join(map(str, row.names[:6]))
        more = " …" if row.n_features > 6 else ""
        labels = _labels(row.labels[:3])
        table.add_row(str(row.n_features), f"{row.mean_npmi:.3f}", features + more, labels)
    shown = table if len(answer) else Text("No features fire together as strongly.")
    return Group(*said(answer.head, answer.notes), shown)


def labels(answer: Labels) -> RenderableType:
    """What features are called, by whom, and how well that says where they fire."""
    table = _table(("feature", "score", "covers"), ("label, and its explainer",))
    for row in answer:
        covers = "" if row.coverage is None else f"{row.coverage:.0%}"
        label = Text.assemble(one_line(row.label), "\n", (_by(row), "dim"))
        table.add_row(str(named(row.feature, row.pole)), _score(row), covers, label)
    if not len(answer):
        return Text("There are no such labels; make some: saelake label.")
    notes = [] if answer.answering is None else [f"nearest by the labels of {answer.answering}"]
    if len(answer.kinds) > 1:
        counted = ", ".join(f"{n:,} {kind}" for kind, n in answer.kinds.items())
        notes.append(f"scores of several kinds, which are not compared: {counted}")
    return Group(table, *(Text(one_line(note), style="dim") for note in notes))


def _by(row: Label) -> str:
    """Who says a label, with which model, and until when, if it is not said now."""
    said = one_line(row.explainer)
    if row.made is not None and row.made.model not in (None, row.explainer):
        said += f" with {one_line(str(row.made.model))}"
    return said if row.until is None else f"{said}, until {row.until:%Y-%m-%d %H:%M:%S}"


def agreement(answer: Agreements) -> RenderableType:
    """How alike the labels of pairs of explainers are."""
    table = _table(("features", "same", "jaccard", "cosine"), ("explainers",))
    for row in answer:
        cosine = "" if row.cosine is None else f"{row.cosine:.2f}"
        both = f"{one_line(row.explainer_a)} and {one_line(row.explainer_b)}"
        table.add_row(f"{row.n:,}", f"{row.n_same:,}", f"{row.jaccard:.2f}", cosine, both)
    return table if len(answer) else Text("No two explainers label the same feature.")


def _score(row: Label) -> str:
    """A score, and below it its interval, where it has one, and what it is of."""
    if row.score is None:
        return ""
    lines = [f"{row.score:.2f}"]
    if row.score_low is not None and row.score_high is not None:
        lines.append(f"{row.score_low:.2f}-{row.score_high:.2f}")
    if row.score_kind not in (None, "words"):
        lines.append(str(row.score_kind))
    return "\n".join(lines)


def measured(answer: Labels) -> str:
    """What is usual of labels, in the middle of a sentence."""
    score, covered = answer.median("score"), answer.median("coverage")
    said = [] if covered is None else [f"cover {covered:.0%} of the activation"]
    said += [] if score is None else [f"have a score of {score:.2f}"]
    return f"; in the median they {' and '.join(said)}" if said else ""


def _standing(features: Sequence[ChosenFeature]) -> RenderableType:
    """The features that stand for a phrase."""
    table = _table(("feature", "weight", "near", "score"), ("stands for the phrase by", "of"))
    for each in features:
        score = "" if each.score is None else f"{each.score:.2f}"
        near = "" if each.similarity is None else f"{each.similarity:.3f}"
        numbers = (f"{each.weight:.3f}", near, score)
        source = each.corpus or each.explainer or ""
        table.add_row(
            str(named(each.feature, each.pole)), *numbers, _label(each.label), one_line(source)
        )
    return table


def neighbors(answer: Neighbors) -> RenderableType:
    """Features by the cosine of their directions."""
    table = _table(("feature", "cosine"), ("label",))
    for row in answer:
        table.add_row(str(named(row.feature, row.pole)), f"{row.cosine:.3f}", _label(row.label))
    return table


def _table(numbers: Sequence[str], texts: Sequence[str]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for name in texts:
        table.add_column(name, ratio=1)
    return table
