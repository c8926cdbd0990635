"""Which features fire in the same documents.

NPMI = ln(P_ij / (P_i P_j)) / -ln P_ij with P = count / n + 1e-10, over documents (arXiv
2512.10092; interp_embed's `calculate_npmi` adds the 1e-10 to the count). A pair that never fires
together has none. Of two aligned texts P is a mean over the values that align them (`partners`).
Where something is controlled for, pairs are compared with what is expected of it (`controlled`).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa

from saelake.store.arrays.excess import PTally
from saelake.store.documents.filters import DocumentMask
from saelake.store.format.lists import Array
from saelake.store.labels.labels import LabelsTable
from saelake.store.query.parts.controlled import (
    CORRECTION,
    TEST,
    Within,
    controlled_npmi,
    n_bins,
    within,
)
from saelake.store.query.parts.labelled import labels_of
from saelake.store.query.parts.left_out import left_out, n_encoded, unencoded, without
from saelake.store.query.parts.said import metadata, plural
from saelake.store.query.parts.strata import LENGTH_ONLY, Strata, length_control, strata
from saelake.store.query.parts.together import Aligned, Together, counting
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

SMOOTHING = 1e-10
DOCUMENTS_SAMPLED = 32  # in which a pair's tokens are compared
MOSTLY = 0.5
TINY = 1e-300
CANDIDATES = 20  # pairs whose tokens are compared, as a multiple of the pairs asked for
MOST_LOOKED_AT = 10_000  # of the strongest pairs, for what length does to them
MATTERS = 0.1  # share of these that length must drive to be mentioned


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsFound:
    """Pairs of features: parallel arrays (n,); numbers and counts int64, the others float64.

    `n_both` counts the units in which both fire. `together` weighs them by how many of a value's
    pairs of documents do so, and is `n_both` where each unit is one document. `npmi` is over all
    units; where something is controlled for, `controlled` is against the `expected` number within
    strata, with the `p` of a test, else they are None.
    """

    a: Array
    b: Array
    n_both: Array
    together: Array
    npmi: Array
    controlled: Array | None = None
    expected: Array | None = None
    p: Array | None = None

    def __len__(self) -> int:
        return len(self.a)

    @property
    def strength(self) -> Array:
        """What pairs are chosen and ordered by."""
        return self.npmi if self.controlled is None else self.controlled

    def __getitem__(self, index: "Array | slice") -> "PairsFound":
        kept = {name: values[index] for name, values in self._columns().items()}
        return PairsFound(**kept)

    def _columns(self) -> dict[str, Array]:
        named = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: values for name, values in named.items() if values is not None}

    @classmethod
    def joined(cls, parts: Sequence["PairsFound"]) -> "PairsFound":
        """The pairs of several parts, of which there is one at least."""
        names = parts[0]._columns()
        return cls(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})

    def strongest(self, k: int | None) -> "PairsFound":
        """The `k` strongest, ties by the features."""
        if k is not None and k < len(self):
            least = np.partition(self.strength, len(self) - k)[len(self) - k]
            return self[np.flatnonzero(self.strength >= least)].strongest(None)[:k]
        features = self.a << 32 | self.b
        if (features[1:] < features[:-1]).any():
            return self[np.argsort(features)].strongest(None)
        return self[falling(self.strength)]


def falling(values: Array) -> Array:
    """The order of falling values, int64 (n,); of equal ones the first first.

    Three sorts of one key each, which take a third of the time of one that keeps the order.
    """
    order = np.argsort(-values)
    changes = np.diff(values[order], prepend=np.inf) != 0
    keys = np.cumsum(changes) << 32 | order
    return np.sort(keys) & 0xFFFFFFFF


def npmi(n_both: Array, n_a: Array, n_b: Array, n: int) -> Array:
    """Normalised pointwise mutual information of counts of n documents, float64; 1 at n of n."""
    p_both, p_a, p_b = (count / n + SMOOTHING for count in (n_both, n_a, n_b))
    surprise = np.where(n_both < n, -np.log(p_both), 1)
    return np.where(n_both < n, np.log(p_both / (p_a * p_b)) / surprise, 1.0)


def correlate(session: Session, query: CorrelateQuery) -> pa.Table:
    """Pairs of features by NPMI (the controlled one, where there is a control), largest first.

    Ties by the features. The schema's metadata says n and the unit, `n_tested` pairs of features,
    what was controlled for, the test and how it was corrected, for aligned texts how many documents
    had no partner, and notes. Raises `InvalidInput` for texts of which none are aligned.
    """
    a = session.select(query.a)
    a.collection.check_features(query.features)
    firing = CoFiring(session, a, query)
    labels = labels_of(session, a.collection)
    room = query.k
    if room is not None and query.adjacent == "drop":
        room *= CANDIDATES
    parts = (_unlike(part, labels, query) for part in firing.parts())
    if room is not None:
        parts = (part.strongest(room) for part in parts)
    found = PairsFound.joined([firing.none, *parts]).strongest(room)
    if query.adjacent == "drop":
        found = _apart(found, firing.selected, query.k)
    table = _rows(found[: query.k], firing, labels)
    said = firing.said(found[: query.k], _unlabelled(firing, labels, query))
    return table.replace_schema_metadata(said)


class CoFiring:
    """All pairs that fire together often enough and strongly enough, and how they were counted."""

    def __init__(self, session: Session, selected: Selected, query: CorrelateQuery) -> None:
        self._session, self._query = session, query
        self.strata: Strata | None = None
        self._before = selected
        if query.control:
            bins = n_bins(n_encoded(session, selected))
            self.strata = strata(session, [selected], query.control, bins)
            selected = Selected(selected.collection, self.strata.of[0] >= 0)
        self.selected = selected
        self.counting = counting(session, selected, query)
        self.n_tested = self.counting.n_pairs(query.min_documents, self._most)
        self._tally = PTally(self.n_tested)

    @property
    def _most(self) -> float:
        return self._query.max_coverage * self.counting.n

    @property
    def none(self) -> PairsFound:
        """No pairs, with the columns that pairs have."""
        empty = np.empty(0, np.int64)
        return self._found(Together(a=empty, b=empty, n_both=empty, weight=empty), None)

    def parts(self) -> Iterator[PairsFound]:
        """The pairs, some at a time."""
        counted = self._within(self.strata)
        for part in self.counting.pairs(self._query.min_documents, self._most):
            found = self._found(part, counted)
            if found.p is not None:
                self._tally.add(found.p)
            yield found[found.strength >= self._query.min_npmi]

    def _within(self, made: Strata | None, features: Array | None = None) -> Within | None:
        if made is None:
            return None
        n_a = self.counting.n_a
        if features is None:
            features = np.flatnonzero((n_a >= self._query.min_documents) & (n_a <= self._most))
        return within(self._session, self.selected, made.of[0], features)

    def _found(self, part: Together, counted: Within | None) -> PairsFound:
        a, b, counts = part.a, part.b, self.counting
        value = npmi(part.weight, counts.weight_a[a], counts.weight_b[b], counts.n)
        found = PairsFound(a=a, b=b, n_both=part.n_both, together=part.weight, npmi=value)
        if self.strata is None:
            return found
        expected, p = np.empty((2, 0)) if counted is None else counted.together(a, b, part.n_both)
        value = controlled_npmi(part.n_both, expected, counts.n)
        return replace(found, controlled=value, expected=expected, p=p)

    def q(self, found: PairsFound) -> Array | None:
        """The q-values of pairs, once all parts were seen; None where nothing was tested."""
        return None if found.p is None else self._tally.q(found.p)

    def said(self, found: PairsFound, more: Iterable[str] = ()) -> dict[bytes, bytes]:
        """What an answer of these pairs says of itself, with more notes."""
        counts, query = self.counting, self._query
        return metadata(
            n=counts.n,
            unit="document" if query.align is None else f"value of {query.align}",
            n_tested=self.n_tested,
            control="; ".join(self.strata.controls) if self.strata else "none",
            test=TEST if self.strata else "none",
            correction=CORRECTION if self.strata else "none",
            notes=[
                *self._left_out(),
                *self._by_length(found),
                *self._alone(),
                *more,
                *self._unencoded(),
            ],
            **(_partners(counts) if isinstance(counts, Aligned) else {}),
        )

    def _left_out(self) -> Iterator[str]:
        """How many documents have no value in what is controlled for."""
        if self.strata is None:
            return
        n = n_encoded(self._session, self._before)
        yield from without(n - self.counting.n, n, "", "value in what is controlled for")

    def _unencoded(self) -> Iterator[str]:
        """How many documents have no embedding."""
        if self._query.b is None:
            yield from unencoded(self._session, self._before)
            return
        yield from unencoded(self._session, self._before, "the first")
        yield from unencoded(self._session, self._session.select(self._query.b), "the second")

    def _by_length(self, found: PairsFound) -> Iterator[str]:
        """Whether pairs are strong because long documents have more features."""
        if self.strata is not None or self._query.b is not None or not len(found):
            return
        looked_at = found.strongest(MOST_LOOKED_AT)
        made = strata(self._session, [self.selected], [LENGTH_ONLY], n_bins(self.counting.n))
        counted = self._within(made, np.union1d(looked_at.a, looked_at.b))
        assert counted is not None
        expected, _ = counted.together(looked_at.a, looked_at.b, looked_at.n_both)
        value = controlled_npmi(looked_at.n_both, expected, self.counting.n)
        n = int((value < self._query.min_npmi).sum())
        if n >= MATTERS * len(looked_at):
            yield (
                f"Length drives {n:,} of the {len(looked_at):,} strongest pairs: within documents "
                f"of like length their NPMI is under {self._query.min_npmi:g}; try "
                f"control={length_control([self.selected])}."
            )

    def _alone(self) -> Iterator[str]:
        """Which documents have no partner, and which are their own."""
        if not isinstance(self.counting, Aligned):
            return
        made, align = self.counting.partners, self._query.align
        if any(made.alone):
            first = plural(made.alone[0], "document", "documents")
            yield (
                f"{first} of the first and {made.alone[1]:,} of the second have no partner of the "
                f"same {align} (no value in it, or none that the other side has), and are left out."
            )
        if made.shared:
            one = "document is on both sides, and a partner of itself too."
            many = "documents are on both sides, and partners of themselves too."
            yield plural(made.shared, one, many)


def _partners(counts: Aligned) -> dict[str, int]:
    made = counts.partners
    return {
        "n_documents_a": len(made.a.docs),
        "n_documents_b": len(made.b.docs),
        "n_alone_a": made.alone[0],
        "n_alone_b": made.alone[1],
    }


# -- Which of the pairs are told: not those whose labels are alike, nor those that fire side by side
# in the text.


def _unlike(found: PairsFound, labels: LabelsTable, query: CorrelateQuery) -> PairsFound:
    """The pairs whose labels are known to be unlike."""
    if query.max_label_similarity is None:
        return found
    return found[labels.similarity(found.a, found.b) <= query.max_label_similarity]


def _unlabelled(firing: "CoFiring", labels: LabelsTable, query: CorrelateQuery) -> Iterator[str]:
    """How many features no pair is told of, since nothing is known of their labels' likeness."""
    if query.max_label_similarity is None:
        return
    features = np.flatnonzero(np.maximum(firing.counting.n_a, firing.counting.n_b))
    n = int(np.isnan(labels.similarity(features, features)).sum())
    yield from left_out(
        n,
        "feature has no label with a vector: its likeness to others is not known",
        "features have no label with a vector: their likeness to others is not known",
    )


def _apart(found: PairsFound, selected: Selected, k: int | None) -> PairsFound:
    """The `k` first pairs that are not mostly on the same or neighbouring tokens."""
    kept: list[int] = []
    for i in range(len(found)):
        if len(kept) == k:
            break
        if _adjacent(selected.collection, selected.mask, found.a[i], found.b[i]) <= MOSTLY:
            kept.append(i)
    return found[np.array(kept, np.int64)]


def _adjacent(collection: Collection, mask: DocumentMask | None, a: int, b: int) -> float:
    """In what share of (a sample of) the documents the two fire on the same or the next token."""
    docs = np.intersect1d(collection.posting_list(a).doc, collection.posting_list(b).doc)
    if mask is not None:
        docs = docs[mask[docs]]
    sample = docs[np.linspace(0, len(docs) - 1, min(len(docs), DOCUMENTS_SAMPLED)).astype(int)]
    near = np.zeros(len(sample), np.bool_)
    for index, row in collection.codes.rows(sample):
        mine, theirs = row.occurrences(a)[0], row.occurrences(b)[0]
        if len(mine) and len(theirs):
            near[index] |= np.abs(mine[:, None] - theirs[None]).min() <= 1
    return float(near.mean()) if len(near) else 0.0


# -- The answer's rows.


def _rows(found: PairsFound, firing: CoFiring, labels: LabelsTable) -> pa.Table:
    counts = firing.counting
    weight_a, weight_b = counts.weight_a[found.a], counts.weight_b[found.b]
    columns = {
        "feature_a": found.a,
        "feature_b": found.b,
        "npmi": found.npmi,
        "n_a": counts.n_a[found.a],
        "n_b": counts.n_b[found.b],
        "n_both": found.n_both,
        "b_given_a": found.together / np.maximum(weight_a, TINY),
        "a_given_b": found.together / np.maximum(weight_b, TINY),
        "label_similarity": _similarity(labels, found),
        "label_a": labels.column(found.a),
        "label_b": labels.column(found.b),
        "controlled_npmi": _or_nulls(found.controlled, len(found)),
        "expected": _or_nulls(found.expected, len(found)),
        "p_value": _or_nulls(found.p, len(found)),
        "q_value": _or_nulls(firing.q(found), len(found)),
    }
    return pa.Table.from_pydict(columns, schema=CorrelateQuery.answer)


def _or_nulls(values: Array | None, n: int) -> pa.Array:
    return pa.nulls(n, pa.float64()) if values is None else pa.array(values, pa.float64())


def _similarity(labels: LabelsTable, found: PairsFound) -> pa.Array:
    """The labels' cosine where both have an embedding, else null."""
    if not labels.are_embedded:
        return pa.nulls(len(found), pa.float32())
    similarity = labels.similarity(found.a, found.b)
    return pa.array(similarity, pa.float32(), mask=np.isnan(similarity))
