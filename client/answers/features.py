"""Features: how each behaves over a collection, as rows and as a page of one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

import pyarrow as pa

from saelake.answers.answer import Answer
from saelake.answers.asking import AsksMore
from saelake.answers.correlations import Correlations
from saelake.answers.labels import Label, Labels, Neighbors
from saelake.answers.lookups import Document, Hit
from saelake.answers.pictures import chips, facts, heading, histogram, quiet, shaded_html
from saelake.answers.shaded import shaded
from saelake.answers.text import described, labelled, named, one_line
from saelake.answers.view import Histogram, Proportion, View

CONTEXTS = 10  # documents of a page
CONTEXT = 120  # characters on each side of a token
CHIPS = 20  # tokens that a feature peaks on


@dataclass(frozen=True, slots=True, kw_only=True)
class TopToken:
    """A token, and how many of a feature's 256 strongest documents peak on it."""

    token: str
    documents: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature(AsksMore):
    """How a feature behaves over the collection.

    `density` is the share of tokens at which it fires; `max`, `mean` and `sum` are of its values
    where it fires, and None where it never does. `histogram` counts values in half octaves from
    2^-16 upward. `label` is the feature's, where it has one, made from `label_corpus`; see `Label`.
    One that was made from another corpus begins with its name.

    `pole` is + or - where the dictionary is signed, whose features have a row for each; of a
    negative one the values are below 0, and `max` is the farthest from it.
    """

    feature: int
    pole: str | None = None
    token_frequency: int
    document_frequency: int
    max: float | None
    mean: float | None
    sum: float
    density: float
    histogram: tuple[int, ...]
    top_tokens: tuple[TopToken, ...]
    label: str | None = None
    label_corpus: str | None = None
    label_coverage: float | None = None
    label_score: float | None = None
    label_score_kind: str | None = None

    @classmethod
    def of(
        cls, *, histogram: Sequence[int], top_tokens: Sequence[Mapping[str, Any]], **row: Any
    ) -> "Feature":
        """The feature of a row of the features table."""
        top = tuple(TopToken(**token) for token in top_tokens or ())
        return cls(histogram=tuple(histogram), top_tokens=top, **row)

    @property
    def name(self) -> int | str:
        """What a question calls it: its number, and of a negative pole -243."""
        return named(self.feature, self.pole) if self.pole == "-" else self.feature

    def show(self, k: int = CONTEXTS, **asked: Any) -> "FeatureView":
        """The feature as a page, for notebooks: see `Collection.show` for the arguments.

        That asks the collection which gave this feature, each time. A feature of an awaited
        collection, or one that was pickled, asks nobody: its page has what it holds, and says so.
        """
        if self._ask is None:
            return FeatureView(name=str(self.name), poles=(self,))
        view: FeatureView = self._ask(self.name, k, **asked)
        return view


class Features(AsksMore, Answer[Feature]):
    """Statistics of features."""

    called = "features"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Feature.of)

    @cached_property
    def _values(self) -> tuple[Feature, ...]:
        """The features, which ask whom these ask."""
        return tuple(self._value(**row).asking(self._ask) for row in self.to_dicts())

    def _view(self, rows: Sequence[Feature]) -> View:
        return View(
            header=(
                "feature",
                "documents",
                "tokens",
                "density",
                "max",
                "mean",
                "values",
                "top tokens",
            ),
            rows=[
                (
                    named(f.feature, f.pole),
                    f.document_frequency,
                    f.token_frequency,
                    Proportion(f.density),
                    f.max,
                    f.mean,
                    Histogram(f.histogram),
                    ", ".join(t.token for t in f.top_tokens[:6]),
                )
                for f in rows
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureContext:
    """A token on which a feature fires, and the document, with the codes of this feature alone."""

    hit: Hit
    document: Document

    @property
    def values(self) -> Mapping[int, float]:
        """The feature's value at each position where it fires."""
        return {
            position: value
            for codes in self.document.strongest(2)  # both poles, where there are two
            for position, value in zip(codes.positions.tolist(), codes.values.tolist(), strict=True)
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FeatureView:
    """A feature as a page: its `poles` (of a dictionary that is not signed, one), what it is called
    by whom, its strongest `contexts`, and which features are like it, where that was asked.

    A notebook shows it as HTML, with the text of contexts as it stands, every token shaded on which
    the feature fires; characters without a look of their own are drawn as marks.
    """

    name: str
    collection: str | None = None
    poles: Sequence[Feature]
    labels: Sequence[Label] | Labels = ()
    contexts: Sequence[FeatureContext] = ()
    where: str | None = None
    context: int = CONTEXT
    near: Neighbors | None = None
    together: Correlations | None = None

    def __repr__(self) -> str:
        contexts = (f"{c.hit.value:.4g}  {c.hit.marked}" for c in self.contexts)
        return "\n".join([self._head, *self._called, *self._counted, *contexts])

    def _repr_html_(self) -> str:
        poles = "".join(self._pole(feature) for feature in self.poles)
        called = "".join(f"<div>{escape(line)}</div>" for line in self._called)
        parts = [heading(self._head), called, poles, self._strongest(), self._like()]
        return f'<div style="max-width: 60em">{"".join(parts)}</div>'

    @property
    def _head(self) -> str:
        of = "" if self.collection is None else f" of {one_line(self.collection)}"
        return f"Feature {one_line(self.name)}{of}"

    @property
    def _called(self) -> list[str]:
        """What it is called, by whom, and how well that predicts where it fires."""
        if self.labels:
            return [_called(label) for label in self.labels]
        return [labelled(f.label) for f in self.poles if f.label][:1] or ["No label."]

    @property
    def _counted(self) -> list[str]:
        return [", ".join(f"{name} {value}" for name, value in _facts(f)) for f in self.poles]

    def _pole(self, feature: Feature) -> str:
        """Its values and the tokens that it peaks on."""
        poles = {"+": "Positive pole", "-": "Negative pole"}
        title = heading(poles[feature.pole]) if feature.pole else ""
        values = histogram(feature.histogram, -1 if feature.pole == "-" else 1)
        peaks = chips([(one_line(t.token), t.documents) for t in feature.top_tokens[:CHIPS]])
        said = quiet("peaks on, and in how many of its 256 strongest documents: ") if peaks else ""
        return f"{title}{facts(_facts(feature))}{values}<div>{said}{peaks}</div>"

    def _strongest(self) -> str:
        """The contexts, strongest first."""
        if not self.contexts:
            why = "It fires in no such document."
            if self.collection is None:
                why = f"Without contexts, which COLLECTION.show({self.name!r}) asks for."
            return quiet(why)
        largest = max((abs(f.max or 0.0) for f in self.poles), default=0.0)
        rows = "".join(self._row(context, largest) for context in self.contexts)
        where = "" if self.where is None else f" where {one_line(self.where)}"
        return f"{heading(f'Strongest documents{where}')}<table><tbody>{rows}</tbody></table>"

    def _row(self, shown: FeatureContext, largest: float) -> str:
        hit = shown.hit
        text = shaded(
            shown.document, shown.values, largest, around=hit.position, context=self.context
        )
        about = quiet(f"{one_line(hit.id)} {described(hit.metadata)}")
        cells = (f"{hit.value:.3g}", f"{shaded_html(text, largest)}{about}")
        styles = ("text-align: right; vertical-align: top", "text-align: left")
        row = (f'<td style="{s}">{c}</td>' for s, c in zip(styles, cells, strict=True))
        return f"<tr>{''.join(row)}</tr>"

    def _like(self) -> str:
        """The features that are near in direction, and those that fire in the same documents."""
        parts = []
        if self.near is not None:
            parts += [heading("Near in decoder directions"), self.near._repr_html_()]
        if self.together is not None:
            parts += [heading("Fires together with"), self.together._repr_html_()]
        return "".join(parts)


def _called(label: Label) -> str:
    said = f"{labelled(label.label)} (by {one_line(label.explainer)}"
    if label.corpus:
        said += f", made from {one_line(label.corpus)}"
    return f"{said}{'; ' if label.measured else ''}{'; '.join(label.measured)})"


def _facts(feature: Feature) -> list[tuple[str, str]]:
    """What is counted of a feature, by name."""
    return [
        ("of tokens", f"{feature.density:.3%}"),
        ("documents", f"{feature.document_frequency:,}"),
        ("tokens", f"{feature.token_frequency:,}"),
        ("max", "" if feature.max is None else f"{feature.max:.3g}"),
        ("mean", "" if feature.mean is None else f"{feature.mean:.3g}"),
    ]
