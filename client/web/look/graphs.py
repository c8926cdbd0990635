"""Pairs of features as a graph: where each feature stands, and which are linked."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from saelake.answers.correlations import Correlation, Correlations
from saelake.answers.text import named

STEPS = 120
Place = tuple[float, float]


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
    """The pairs, laid out by forces (Fruchterman and Reingold 1991) from a circle, so always alike.

    Linked features draw each other near by their NPMI, and all keep away from each other.
    """
    about = {name: (label, n) for pair in pairs for name, label, n in _ends(pair)}
    places = _laid_out(list(about), [(_a(pair), _b(pair), pair.npmi) for pair in pairs])
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


def _laid_out(names: list[str], links: list[tuple[str, str, float]]) -> Mapping[str, Place]:
    """A place in the unit square for each name."""
    import numpy as np

    n = len(names)
    if n == 0:
        return {}
    at = {name: i for i, name in enumerate(names)}
    turn = 2 * math.pi * np.arange(n) / n
    place = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    ends = np.array([(at[a], at[b]) for a, b, _ in links], np.int64)
    pull = np.array([weight for _, _, weight in links])[:, None]
    ideal = math.sqrt(4 / n)
    for step in range(STEPS):
        apart = place[:, None] - place[None]
        distance = np.maximum(np.linalg.norm(apart, axis=2), 1e-6)
        moved = (apart * (ideal**2 / distance**2)[:, :, None]).sum(axis=1)
        between = place[ends[:, 0]] - place[ends[:, 1]]
        drawn = between * np.linalg.norm(between, axis=1, keepdims=True) / ideal * pull
        np.add.at(moved, ends[:, 0], -drawn)
        np.add.at(moved, ends[:, 1], drawn)
        moved -= place * 0.3  # towards the middle
        length = np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9)
        place += moved / length * np.minimum(length, 0.15 * (1 - step / STEPS))
    low, high = place.min(axis=0), place.max(axis=0)
    inside = (place - low) / np.maximum(high - low, 1e-9)
    return {name: (float(x), float(y)) for name, (x, y) in zip(names, inside, strict=True)}
