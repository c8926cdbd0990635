"""Pairs of features as a graph: where each feature stands, and which are linked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from saelake.answers.correlations import Correlation, Correlations
from saelake.answers.plots.forces import Place, laid_out
from saelake.answers.text import named


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A feature, at a place of the unit square.

    What it is linked with lies on the other side of where its name stands.
    """

    name: str
    label: str | None
    n_documents: int
    x: float
    y: float
    is_named_left: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A pair, between the places of its features."""

    pair: Correlation
    a: Place
    b: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """Features and the pairs of them."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]


def graph(pairs: Correlations) -> Graph:
    """The pairs, laid out so that linked features are near each other, by their NPMI."""
    about = {name: (label, n) for pair in pairs for name, label, n in _ends(pair)}
    places = laid_out(list(about), [(_a(pair), _b(pair), pair.npmi) for pair in pairs])
    links = tuple(Link(pair=pair, a=places[_a(pair)], b=places[_b(pair)]) for pair in pairs)
    nodes = (
        Node(
            name=name,
            label=label,
            n_documents=n,
            x=places[name][0],
            y=places[name][1],
            is_named_left=_to_the_right(places[name], links) > 0,
        )
        for name, (label, n) in about.items()
    )
    return Graph(nodes=tuple(nodes), links=links)


def _to_the_right(place: Place, links: Sequence[Link]) -> float:
    """How far to the right of a place lies what it is linked with, in all."""
    others = (b if place == a else a for a, b in ((o.a, o.b) for o in links) if place in (a, b))
    return sum(x - place[0] for x, _ in others)


def _a(pair: Correlation) -> str:
    return str(named(pair.feature_a, pair.pole_a))


def _b(pair: Correlation) -> str:
    return str(named(pair.feature_b, pair.pole_b))


def _ends(pair: Correlation) -> Iterator[tuple[str, str | None, int]]:
    yield _a(pair), pair.label_a, pair.n_a
    yield _b(pair), pair.label_b, pair.n_b
