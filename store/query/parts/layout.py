"""Who is compared with whom: the documents of two sides, in strata or in clusters."""

from dataclasses import dataclass, replace

import numpy as np

from saelake.store.format.lists import Array, runs
from saelake.store.query.parts.lengths import NOT_ENCODED, lengths
from saelake.store.requests.diff import Unit
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

A, B, BOTH = 1, 2, 3
SIZE_BINS, BIN_UNITS = 10, 50  # bins of size, and how many units one has at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Members:
    """What the documents of one corpus are in a comparison, by number.

    `side` uint8 (n_documents,) is 0 for those that are not in it; `group` int32 is the stratum or
    the cluster; `size` int32 the units that a document has: itself, or its tokens.
    """

    selected: Selected
    side: Array
    group: Array
    size: Array


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Two sides of documents, in `n_groups` groups.

    In `strata` features are compared within each group, and its documents are independent. Else
    groups are clusters, of documents that may depend on one another, and all are compared at once.
    """

    members: tuple[Members, ...]
    n_groups: int
    in_strata: bool

    def sums(self, bits: int, of: str = "size") -> Array:
        """By group the units (or `documents`) on these sides, int64 (n_groups,)."""
        total = np.zeros(self.n_groups, np.int64)
        for m in self.members:
            kept = (m.side == bits) if bits == BOTH else (m.side & bits) == bits
            weights = m.size[kept] if of == "size" else None
            total += np.bincount(m.group[kept], weights, self.n_groups).astype(np.int64)
        return total

    @property
    def is_mixed(self) -> bool:
        """Whether a document, or a cluster, is on both sides."""
        if any((m.side == BOTH).any() for m in self.members):
            return True
        return not self.in_strata and bool(
            ((self.sums(A, "documents") > 0) & (self.sums(B, "documents") > 0)).any()
        )

    def counts(self) -> tuple[int, int]:
        """How many units each side has."""
        return int(self.sums(A).sum()), int(self.sums(B).sum())

    def documents(self) -> tuple[int, int]:
        """How many documents each side has."""
        return int(self.sums(A, "documents").sum()), int(self.sums(B, "documents").sum())


def layout(
    session: Session,
    a: Selected,
    b: Selected,
    unit: Unit,
    groups: tuple[Array, Array] | None,
    n_groups: int,
    *,
    in_strata: bool,
) -> Layout:
    """The encoded documents of both sides; without those that are in no group.

    Without `groups` (int32 (n_documents,) of each side, -1 for none) all are one stratum. Documents
    of one collection that are on both sides are known as such.
    """
    sides = []
    for number, (selected, bit) in enumerate(((a, A), (b, B))):
        n_tokens = lengths(session, selected)
        keep = n_tokens != NOT_ENCODED
        if selected.mask is not None:
            keep = keep & selected.mask
        group = np.zeros(len(keep), np.int32) if groups is None else groups[number]
        keep = keep & (group >= 0)
        size = n_tokens if unit == "token" else np.ones(len(keep), np.int32)
        side = np.where(keep, np.uint8(bit), np.uint8(0))
        sides.append(Members(selected=selected, side=side, group=group, size=size))
    members = (_joined(*sides),) if _same(a, b) else tuple(sides)
    found = Layout(members=members, n_groups=n_groups, in_strata=in_strata)
    return _comparable(found) if in_strata else found


def _same(a: Selected, b: Selected) -> bool:
    return a.codes_key == b.codes_key


def _joined(a: Members, b: Members) -> Members:
    """Two sides of one collection, whose documents have one group each."""
    side = a.side | b.side
    whole = replace(a.selected, mask=side > 0)
    group = np.where(a.side > 0, a.group, b.group)
    return Members(selected=whole, side=side, group=group, size=a.size)


def _comparable(found: Layout) -> Layout:
    """Without the strata in which one side has nothing."""
    both = (found.sums(A) > 0) & (found.sums(B) > 0)
    members = tuple(
        replace(m, side=np.where((m.side > 0) & both[m.group], m.side, np.uint8(0)))
        for m in found.members
    )
    return Layout(members=members, n_groups=found.n_groups, in_strata=True)


def on_both(a: Selected, b: Selected) -> int:
    """How many documents are on both sides."""
    if not _same(a, b):
        return 0
    if a.mask is None or b.mask is None:
        some = b.mask if a.mask is None else a.mask
        return a.collection.documents.n_documents if some is None else int(some.sum())
    return int((a.mask & b.mask).sum())


def likely(group: Array, size: Array, in_a: Array, n_groups: int) -> Array:
    """How likely each unit is one of side a, float64 (n_units,), from the units like it.

    It is the share in a of the units of its group and of about its size. Where one side has larger
    units, they are of that side by chance alone, too.
    """
    size = size.astype(np.int64)
    order = np.lexsort((size, group))
    by_group, by_size = group[order], size[order]
    n = np.bincount(by_group, minlength=n_groups)
    place = np.arange(len(order)) - (np.cumsum(n) - n)[by_group]
    heads = runs(by_group.astype(np.int64) << 32 | by_size)  # equal sizes are in one bin
    place = np.repeat(place[heads], np.diff(np.append(heads, len(order))))
    n_bins = np.clip(n // BIN_UNITS, 1, SIZE_BINS)
    cell = by_group * SIZE_BINS + place * n_bins[by_group] // np.maximum(n[by_group], 1)
    _, number = np.unique(cell, return_inverse=True)
    share = np.empty(len(order))
    share[order] = (np.bincount(number, in_a[order]) / np.bincount(number))[number]
    return share
