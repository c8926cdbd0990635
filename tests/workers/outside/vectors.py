"""Vectors as another system might have made them, and what is asked of them, in plain Python."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

WORDS = ("rain", "sun", "film", "slow", "good", "bad", "über", "日本")
NAMES = ("rain", "sun", "w 3", "日本", "x")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit of a document: which characters it is, and its vector."""

    start: int
    end: int
    vector: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """Documents by id: their texts, labels, and units in order."""

    texts: Mapping[str, str]
    labels: Mapping[str, str]
    units: Mapping[str, Sequence[Unit]]

    @classmethod
    def drawn(cls, seed: int, *, unit: str, signed: bool, n: int = 14) -> "Documents":
        """Documents by chance, with values of few bits so that many are equal."""
        random = np.random.default_rng(seed)
        texts, units = {}, {}
        for i in range(n):
            words = list(random.choice(WORDS, random.integers(1, 7)))
            own, text = f"d{i}", " ".join(words)
            texts[own] = text
            starts = np.cumsum([0, *(len(w) + 1 for w in words)])[:-1].tolist()
            spans = [(s, s + len(w)) for s, w in zip(starts, words, strict=True)]
            if unit == "span":  # of two words, with a word in common
                spans = [
                    (a, d) for (a, _), (_, d) in zip(spans, [*spans[1:], spans[-1]], strict=True)
                ]
                spans = list(dict.fromkeys(spans))
            if unit == "document":
                spans = [(0, len(text))]
            units[own] = [
                Unit(start=a, end=b, vector=_vector(random, signed=signed)) for a, b in spans
            ]
        labels = {own: "pos" if random.random() < 0.5 else "neg" for own in texts}
        labels |= {"d0": "pos", "d1": "neg"}
        return cls(texts=texts, labels=labels, units=units)

    def only(self, ids: Sequence[str]) -> "Documents":
        """Some of them."""
        return Documents(
            texts={own: self.texts[own] for own in ids},
            labels={own: self.labels[own] for own in ids},
            units={own: self.units[own] for own in ids},
        )

    def rows(self, *, unit: str, with_texts: bool = True) -> list[dict[str, Any]]:
        """The rows that are imported."""
        if unit == "document":
            more = {own: {"text": t, "label": self.labels[own]} for own, t in self.texts.items()}
            return [
                {"id": own, **(more[own] if with_texts else {}), "vector": dict(units[0].vector)}
                for own, units in self.units.items()
            ]
        return [
            {"id": own, "start": u.start, "end": u.end, "vector": dict(u.vector)}
            for own, units in self.units.items()
            for u in units
        ]

    def strengths(self) -> Iterator[tuple[str, int, str, float]]:
        """Each code: the document, the position, the pole's name (-x is below 0), the strength."""
        for own, units in self.units.items():
            for position, unit in enumerate(units):
                for name, value in unit.vector.items():
                    if value:
                        yield own, position, name if value > 0 else f"-{name}", abs(value)

    def pooled(self, own: str) -> dict[str, float]:
        """A document's largest strength of each pole."""
        found: dict[str, float] = {}
        for other, _, pole, strength in self.strengths():
            if other == own:
                found[pole] = max(found.get(pole, 0.0), strength)
        return found


def _vector(random: np.random.Generator, *, signed: bool) -> dict[str, float]:
    fires = [name for name in NAMES if random.random() < 0.45]
    low = -6 if signed else 0
    return {name: float(random.integers(low, 7)) / 2 for name in fires}


def cosine(a: Mapping[str, float], b: Mapping[str, float]) -> float:
    dot = sum(a[name] * b[name] for name in a.keys() & b.keys())
    lengths = [math.sqrt(sum(v * v for v in each.values())) for each in (a, b)]
    return dot / (lengths[0] * lengths[1]) if all(lengths) else 0.0


def npmi(n_a: int, n_b: int, n_both: int, n: int) -> float:
    p = [count / n + 1e-10 for count in (n_a, n_b, n_both)]
    return 1.0 if abs(math.log(p[2])) < 1e-10 else math.log(p[2] / (p[0] * p[1])) / -math.log(p[2])
