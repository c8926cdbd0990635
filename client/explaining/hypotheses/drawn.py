"""Which documents of two sides are shown, and which are held back to judge.

That is the split of `diff(confirm=True)`: by a hash of the document, or of its value in the column
of `align` or `cluster_by`, so that a diff of the shown part has seen none that judges.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from saelake.collection import Collection
from saelake.explaining.claims.verdicts import DrawnDocument
from saelake.explaining.hypotheses.options import HypothesisOptions
from saelake.explaining.hypotheses.units import DocumentUnits
from saelake.store.errors import InvalidInput
from saelake.store.format.chances import hashed

# Documents that are looked at for each that is wanted, where only one of each value is drawn.
MOST_LOOKED_AT = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawnDocuments:
    """Documents of both sides, in an order by chance; of pairs each value has one of each side.

    `n_on_both` documents are on both sides, and neither shown nor judged.
    """

    shown: tuple[DrawnDocument, ...]
    judged: tuple[DrawnDocument, ...]
    n_on_both: int = 0
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, docs in (("shown", self.shown), ("to be judged", self.judged)):
            for side in ("A", "B"):
                if not any(drawn.side == side for drawn in docs):
                    raise InvalidInput(f"No document of {side} is {name}: select more documents.")


def drawn(a: Collection, b: Collection, options: HypothesisOptions) -> DrawnDocuments:
    """Documents of both sides, drawn by chance: the same of one state, options and sides.

    They are listed by a pass over the embeddings of both. Raises `InvalidInput` for sides without
    documents, and for a column that is not there.
    """
    sides = {"A": _SideDocuments.of(a), "B": _SideDocuments.of(b)}
    n_on_both = 0
    if a.name.partition("/")[0] == b.name.partition("/")[0]:
        n_on_both = len(both := np.intersect1d(sides["A"].docs, sides["B"].docs))
        sides = {name: side.without(both) for name, side in sides.items()}
    notes = [f"{n_on_both:,} documents are on both sides, and were left out."] if n_on_both else []
    if options.column is None:
        shown, judged = _of_documents(sides, options)
        return _made(shown, judged, n_on_both, notes)
    draw = _of_pairs if options.align is not None else _of_clusters
    for name, side in sides.items():
        if not len(side.docs):
            raise InvalidInput(f"{name} has no documents that are on it alone.")
    picked = _Picked(options)
    draw({"A": a, "B": b}, sides, options, picked)
    return _made(picked.shown, picked.judged, n_on_both, [*notes, *picked.notes])


def _made(
    shown: Sequence[DrawnDocument], judged: Sequence[DrawnDocument], n: int, notes: Sequence[str]
) -> DrawnDocuments:
    return DrawnDocuments(shown=tuple(shown), judged=tuple(judged), n_on_both=n, notes=tuple(notes))


@dataclass(frozen=True, slots=True)
class _SideDocuments:
    """The documents of a side that are encoded: numbers uint64 (n,), ascending."""

    docs: Any

    @classmethod
    def of(cls, collection: Collection) -> "_SideDocuments":
        with collection.embeddings(pooling="binary") as reader:
            docs = [batch["doc"].to_numpy() for batch in reader]
        return cls(np.sort(np.concatenate([np.empty(0, np.uint64), *docs])))

    def without(self, docs: Any) -> "_SideDocuments":
        return _SideDocuments(np.setdiff1d(self.docs, docs))

    def shuffled(self, seed: str) -> list[int]:
        docs: list[int] = self.docs.tolist()
        random.Random(seed).shuffle(docs)
        return docs


def _of_documents(
    sides: dict[str, _SideDocuments], options: HypothesisOptions
) -> tuple[list[DrawnDocument], list[DrawnDocument]]:
    """Each document by itself."""
    found: dict[bool, list[DrawnDocument]] = {False: [], True: []}
    for name, side in sides.items():
        docs = side.shuffled(f"{options.seed}:{name}")
        is_held = hashed(np.array(docs, np.uint64)) < options.held_back
        for held, n in ((False, options.n_pool), (True, options.n_judged)):
            chosen = [doc for doc, so in zip(docs, is_held, strict=True) if so == held][:n]
            found[held] += [_document(doc, name) for doc in chosen]
    return found[False], found[True]


def _document(doc: int, side: str, unit: str | None = None) -> DrawnDocument:
    return DrawnDocument(doc=doc, side="A" if side == "A" else "B", unit=unit)


class _Picked:
    """Documents of which each value of a column has one on a side: until there are enough."""

    def __init__(self, options: HypothesisOptions) -> None:
        self._most = {False: options.n_pool, True: options.n_judged}
        self._found: dict[bool, list[DrawnDocument]] = {False: [], True: []}
        self._left = MOST_LOOKED_AT * (options.n_pool + options.n_judged)
        self.n_without = 0

    @property
    def shown(self) -> list[DrawnDocument]:
        return self._found[False]

    @property
    def judged(self) -> list[DrawnDocument]:
        return self._found[True]

    @property
    def notes(self) -> Iterator[str]:
        if self._left <= 0:
            yield "Not all documents were looked at: of most values there are many."
        if self.n_without:
            yield f"{self.n_without:,} documents without a value were left out."

    def looks_on(self) -> bool:
        """Whether one more is looked at, which is counted."""
        self._left -= 1
        wanted = [(held, side) for held in self._most for side in "AB"]
        return self._left >= 0 and not all(self.has_enough(*each) for each in wanted)

    def has_enough(self, held: bool, side: str) -> bool:
        """Whether a side has as many as are wanted."""
        return sum(drawn.side == side for drawn in self._found[held]) >= self._most[held]

    def add(self, held: bool, *documents: DrawnDocument) -> None:
        """Take these."""
        self._found[held] += documents


def _units(
    collections: dict[str, Collection], sides: dict[str, _SideDocuments], column: str
) -> dict[str, DocumentUnits]:
    return {
        name: DocumentUnits(collection, column, int(sides[name].docs[0]))
        for name, collection in collections.items()
    }


def _of_clusters(
    collections: dict[str, Collection],
    sides: dict[str, _SideDocuments],
    options: HypothesisOptions,
    picked: _Picked,
) -> None:
    """One document of each value, of the side that has it first: in turns, so that both have."""
    units = _units(collections, sides, options.cluster_by or "")
    orders = [
        [(name, doc) for doc in side.shuffled(f"{options.seed}:{name}")]
        for name, side in sides.items()
    ]
    seen: set[str] = set()
    for name, doc in (each for turn in zip_longest(*orders) for each in turn if each):
        if not picked.looks_on():
            return
        unit = units[name].of(doc)
        if unit.value in seen:
            continue
        held = unit.chance < options.held_back
        if not picked.has_enough(held, name):
            seen |= set() if unit.value is None else {unit.value}
            picked.add(held, _document(doc, name, unit.value))


def _of_pairs(
    collections: dict[str, Collection],
    sides: dict[str, _SideDocuments],
    options: HypothesisOptions,
    picked: _Picked,
) -> None:
    """One document of each side for each value that both have."""
    units = _units(collections, sides, options.align or "")
    there, seen = set(sides["B"].docs.tolist()), set[str]()
    for doc in sides["A"].shuffled(f"{options.seed}:A"):
        if not picked.looks_on():
            return
        unit = units["A"].of(doc)
        if unit.value is None:
            picked.n_without += 1
        elif unit.value not in seen:
            seen.add(unit.value)
            held = unit.chance < options.held_back
            partners = [] if picked.has_enough(held, "A") else units["B"].having(unit)
            partners = [partner for partner in partners if partner in there]
            if partners:
                other = random.Random(f"{options.seed}:{unit.value}").choice(partners)
                picked.add(held, _document(doc, "A", unit.value), _document(other, "B", unit.value))
