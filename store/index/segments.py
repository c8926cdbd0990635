"""Segments: posting lists as the postings table stores them, written and read."""

import math
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from saelake.store.codes.table import CodesTable, collection_of
from saelake.store.format.lists import Array, Lists, concatenate, ranges
from saelake.store.format.schema import N_TIERS, STRONGEST, TIERS
from saelake.store.index.others import Others
from saelake.store.index.postings import (
    CODES_COLUMNS,
    TOKEN_COLUMNS,
    Postings,
    merged,
    postings_of,
)
from saelake.store.index.tiers import Band, bands
from saelake.store.tables.changes import Fragment
from saelake.store.tables.damage import damaged
from saelake.store.tables.tables import Table, address

FEATURES_AT_ONCE = 1024  # of which first tiers are read at once: 6 MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class PostingList:
    """Postings of one feature, in no promised order: parallel arrays (n,).

    `doc` uint64, `max` value codes, `position` uint32; `start` and `length` int64 are the
    characters of the token at `position`, and `token` int64 is its id, which only first tiers
    know: -1 elsewhere.
    """

    doc: Array
    max: Array
    position: Array
    token: Array
    start: Array
    length: Array

    def __len__(self) -> int:
        return len(self.doc)

    def __getitem__(self, index: "Array | slice") -> "PostingList":
        return PostingList(
            doc=self.doc[index],
            max=self.max[index],
            position=self.position[index],
            token=self.token[index],
            start=self.start[index],
            length=self.length[index],
        )

    @property
    def arrays(self) -> tuple[Array, ...]:
        """All of them."""
        return self.doc, self.max, self.position, self.token, self.start, self.length

    @classmethod
    def joined(cls, lists: Iterable["PostingList"], dtype: npt.DTypeLike) -> "PostingList":
        """The postings of several lists; `dtype` is the value codes'."""
        found = list(lists)
        return cls(
            doc=concatenate((p.doc for p in found), np.uint64),
            max=concatenate((p.max for p in found), dtype),
            position=concatenate((p.position for p in found), np.uint32),
            token=concatenate((p.token for p in found), np.int64),
            start=concatenate((p.start for p in found), np.int64),
            length=concatenate((p.length for p in found), np.int64),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A segment's place in the postings table, and the codes fragments that it covers.

    Segments that were built together, because one would not fit in memory, cover the same
    fragments: all of them together have these fragments' postings.
    """

    fragment: int
    covers: tuple[int, ...]
    size_bytes: int = 0
    n_rows: int = 0

    @property
    def is_packed(self) -> bool:
        """Whether its tiers are bytes: an earlier saelake wrote lists, and no last row."""
        return self.n_rows % N_TIERS == 1

    def is_valid(self, fragments: Set[int]) -> bool:
        """Whether all that it covers is in a snapshot of codes: else it may tell of what is gone.

        What an invalid segment covers is searched by scanning, until the next index replaces it.
        """
        return fragments >= set(self.covers)


def covered_by(segments: Iterable[Segment]) -> tuple[int, ...]:
    """The fragments of codes that segments cover, ascending."""
    return tuple(sorted({i for segment in segments for i in segment.covers}))


@dataclass(frozen=True, slots=True)
class PostingBand:
    """Postings of a feature that are stronger than the next band's: a list, or bytes, or both.

    `dtype` is that of value codes. Of a list without bytes nothing is known of other tokens.
    """

    dtype: np.dtype[Any]
    known: PostingList | None
    packed: Band | None

    @property
    def own(self) -> "PostingBand":
        """A copy of the band, whose memory is of no larger read."""
        known = None if self.known is None else self.known[np.arange(len(self.known))]
        return PostingBand(self.dtype, known, None if self.packed is None else self.packed.own)

    @property
    def n_bytes(self) -> int:
        """The memory that it takes."""
        known = () if self.known is None else self.known.arrays
        packed = 0 if self.packed is None else self.packed.n_bytes
        return packed + sum(array.nbytes for array in known)

    def postings(self) -> PostingList:
        """The postings, by ascending document; where bytes have the characters, without these."""
        if self.known is not None:
            return self.known
        assert self.packed is not None
        return _unpacked([self.packed], self.dtype, characters=False)

    def postings_in(self, docs: Array | None) -> tuple[Array, Array, Array, Array]:
        """The postings in these documents (int64, ascending; None: all), by ascending document.

        Which of the band's they are, int64, their documents, int64, value codes and positions.
        """
        if self.known is None and docs is not None:
            assert self.packed is not None
            return self.packed.postings_in(docs, self.dtype)
        postings = self.postings()
        doc, index = postings.doc.astype(np.int64), np.arange(len(postings))
        if (doc[1:] < doc[:-1]).any():
            index = np.argsort(doc, kind="stable")
        if docs is not None:
            index = index[np.isin(doc[index], docs)]
        if docs is None and self.known is None:  # as they are
            return index, doc, postings.max, postings.position
        return index, doc[index], postings.max[index], postings.position[index]

    @property
    def least(self) -> Array:
        """The smallest value code, at least that of every posting of the next band, (1,)."""
        if self.known is not None:
            least: Array = self.known.max.min(keepdims=True)
            return least
        assert self.packed is not None
        return np.array([self.packed.least]).astype(self.dtype)

    def __len__(self) -> int:
        if self.known is not None:
            return len(self.known)
        return 0 if self.packed is None else self.packed.n

    def others(self) -> Others:
        """The tokens besides those of the maxima, as far as they are known."""
        return Others.unknown(len(self)) if self.packed is None else self.packed.others()

    def others_at(self, places: Array) -> Others:
        """Those of the postings at these places (int64, ascending)."""
        return Others.unknown(len(places)) if self.packed is None else self.packed.others_at(places)

    def characters_at(self, places: Array, position: Array) -> tuple[Array, Array]:
        """Where the tokens of the postings at these places are in their texts, int64.

        The places ascend where the band is bytes; `position` are those of the tokens.
        """
        if self.known is not None:
            return self.known.start[places], self.known.length[places]
        assert self.packed is not None
        return self.packed.characters_at(places, position)


class PostingsTable:
    """A snapshot of a collection's posting lists; `dtype` is that of their value codes.

    `outdated` are segments from before a signed feature's two poles had a list each: what they
    say of a feature is of its largest values only. Nobody reads them; the next index replaces them.
    """

    def __init__(self, table: Table) -> None:
        self.table = table
        n_rows = collection_of(table).width * N_TIERS
        stored = tuple(_segments(table))
        self.segments = tuple(s for s in stored if s.n_rows in (n_rows, n_rows + 1))
        self.outdated = tuple(s for s in stored if s not in self.segments)
        self.dtype = np.dtype(table.schema.field("max").type.value_type.to_pandas_dtype())

    def read(
        self, features: Iterable[int], tier: int, segments: Iterable[Segment]
    ) -> list[PostingList]:
        """One tier of these features in these segments, by feature and then by segment."""
        segments = tuple(segments)
        return self.read_each([(f, segment) for f in features for segment in segments], tier)

    def read_each(
        self, wanted: Iterable[tuple[int, Segment]], tier: int, *, characters: bool = True
    ) -> list[PostingList]:
        """One tier of each feature in its segment, in the order asked for.

        Without `characters` later tiers do not say where a token is in its text: -1, -1.
        """
        chosen = list(wanted)
        if tier == 0:
            addresses = [address(s.fragment, feature * N_TIERS) for feature, s in chosen]
            if not addresses:
                return []
            rows = Lists.of(self.table.take_addresses(addresses, ["strongest"])["strongest"])
            return [_first_tier(rows[row], self.dtype) for row in range(len(addresses))]
        packed = iter(self._bands([(f, s) for f, s in chosen if s.is_packed], tier))
        before = [(f, s) for f, s in chosen if not s.is_packed]
        listed = iter(self._listed(before, tier, characters=characters))
        return [
            _unpacked(next(packed), self.dtype, characters) if s.is_packed else next(listed)
            for _, s in chosen
        ]

    def read_whole(
        self, features: Sequence[int], segments: Sequence[Segment]
    ) -> Iterator[tuple[int, PostingList]]:
        """Everything of these features in these segments, tier by tier, without characters.

        With each list comes the place of its feature among these. After a tier that is not full
        there is none.
        """
        wanted = [(place, segment) for place in range(len(features)) for segment in segments]
        for tier, size in enumerate((*TIERS, math.inf)):
            asked = [(features[place], segment) for place, segment in wanted]
            found = self.read_each(asked, tier, characters=False)
            yield from ((place, each) for (place, _), each in zip(wanted, found, strict=True))
            full = [len(each) == size for each in found]
            wanted = [each for each, more in zip(wanted, full, strict=True) if more]

    def read_bands(
        self, wanted: Iterable[tuple[int, Segment]], tier: int
    ) -> list[list["PostingBand"]]:
        """One tier of each feature in its segment, in bands that are unpacked when they are needed.

        A band has stronger postings than the next. Of a segment of an earlier saelake a tier is one
        band; of an empty tier there is none.
        """
        chosen = list(wanted)
        if tier == 0:
            return self._first_bands(chosen)
        packed = iter(self._bands([(f, s) for f, s in chosen if s.is_packed], tier))
        listed = iter(self._listed([(f, s) for f, s in chosen if not s.is_packed], tier))
        found = []
        for _, segment in chosen:
            if segment.is_packed:
                found.append([PostingBand(self.dtype, None, band) for band in next(packed)])
            else:
                postings = next(listed)
                found.append([PostingBand(self.dtype, postings, None)] if len(postings) else [])
        return found

    def _first_bands(self, wanted: Sequence[tuple[int, Segment]]) -> list[list["PostingBand"]]:
        """The first tiers, whose lists and bytes are one read."""
        addresses = [address(s.fragment, feature * N_TIERS) for feature, s in wanted]
        if not addresses:
            return []
        names = [name for name in ("strongest", "packed") if name in self.table.schema.names]
        rows = self.table.take_addresses(addresses, names)
        strongest = Lists.of(rows["strongest"])
        packed: list[list[Band]] = [[]] * len(addresses)
        if "packed" in names:
            packed = bands(rows["packed"], self.dtype, self.table.uri)
        found = []
        for row, own in enumerate(packed):
            postings = _first_tier(strongest[row], self.dtype)
            if own and own[0].n != len(postings):
                raise damaged(self.table.uri, ValueError("packed postings are not as many"))
            band = PostingBand(self.dtype, postings, own[0] if own else None)
            found.append([band] if len(postings) else [])
        return found

    def _bands(self, wanted: Sequence[tuple[int, Segment]], tier: int) -> list[list[Band]]:
        """The packed bands of one tier of each feature in its segment."""
        addresses = [address(s.fragment, feature * N_TIERS + tier) for feature, s in wanted]
        if not addresses:
            return []
        packed = self.table.take_addresses(addresses, ["packed"])["packed"]
        return bands(packed, self.dtype, self.table.uri)

    def _listed(
        self, wanted: Sequence[tuple[int, Segment]], tier: int, *, characters: bool = True
    ) -> list[PostingList]:
        """A later tier of each feature in its segment of an earlier saelake."""
        addresses = [address(s.fragment, feature * N_TIERS + tier) for feature, s in wanted]
        if not addresses:
            return []
        columns = ["doc_gaps", "max", "positions"]
        columns += ["token_starts", "token_lengths"] if characters else []
        table = self.table.take_addresses(addresses, columns)
        lists = [Lists.of(table[name]) for name in columns]
        return [_later_tier(*(each[row] for each in lists)) for row in range(len(addresses))]

    def first_tiers(self, segment: Segment, most_bytes: float) -> "FirstTiers | None":
        """The first tiers of all features in a segment; None where they have more bytes.

        That is seen by the first features, as others are like them, and for certain at the end.
        """
        offsets, values = [np.zeros(1, np.int64)], [np.empty(0, np.uint32)]
        n_rows = n_values = 0
        batches = self.table.scan(
            ["strongest"], fragments=[segment.fragment], batch_rows=N_TIERS * FEATURES_AT_ONCE
        )
        for batch in batches:
            lists = Lists.of(batch["strongest"])
            offsets.append(n_values + lists.offsets[1:])
            values.append(lists.values)
            n_rows += len(lists.lengths)
            n_values += len(lists.values)
            n_bytes = 4 * n_values + 8 * n_rows / N_TIERS
            if n_bytes > most_bytes or n_bytes * segment.n_rows > 2 * most_bytes * n_rows:
                return None
        firsts = np.concatenate(offsets)[::N_TIERS].copy()  # other tiers' lists here are empty
        whole = np.concatenate(values)
        whole.setflags(write=False)
        return FirstTiers(Lists(firsts, whole), self.dtype)

    def strongest(self, features: Sequence[int]) -> "Strongest":
        """The first tiers of these features in all segments, in no promised order."""
        addresses = [address(s.fragment, f * N_TIERS) for f in features for s in self.segments]
        if not addresses:
            nothing = np.empty(0, np.int64)
            return Strongest(nothing, nothing, nothing.astype(self.dtype), nothing)
        lists = Lists.of(self.table.take_addresses(addresses, ["strongest"])["strongest"])
        sizes = lists.lengths // len(STRONGEST)
        size = np.repeat(sizes, sizes)
        ends = np.cumsum(sizes)
        first = ranges(lists.offsets[:-1], sizes)
        gap, bits, _, token, _, _ = (lists.values[first + c * size] for c in range(len(STRONGEST)))
        doc = np.cumsum(gap, dtype=np.int64)
        before = np.append(0, doc)[ends - sizes]
        return Strongest(
            feature=np.repeat(np.arange(len(lists.lengths)) // len(self.segments), sizes),
            doc=doc - np.repeat(before, sizes),
            max=bits.astype(f"u{self.dtype.itemsize}").view(self.dtype),
            token=token.astype(np.int64),
        )


@dataclass(frozen=True, slots=True)
class FirstTiers:
    """The first tiers of all features in a segment, as they are stored."""

    lists: Lists
    dtype: np.dtype[Any]

    @property
    def n_bytes(self) -> int:
        """How much memory they take."""
        return int(self.lists.offsets.nbytes + self.lists.values.nbytes)

    def of(self, feature: int) -> PostingList:
        """The first tier of a feature."""
        return _first_tier(self.lists[feature], self.dtype)


@dataclass(frozen=True, slots=True)
class Strongest:
    """The strongest postings of several features: parallel arrays (n,), by feature.

    `feature` int64 is the place among those that were asked for; `doc` int64, `max` value codes,
    `token` int64 the id of the token that has the maximum.
    """

    feature: Array
    doc: Array
    max: Array
    token: Array


def _segments(table: Table) -> Iterator[Segment]:
    ordered = sorted(table.fragments, key=lambda fragment: fragment.id)
    firsts = [address(fragment.id, 0) for fragment in ordered]
    if not firsts:
        return
    covers = Lists.of(table.take_addresses(firsts, ["covers"])["covers"])
    together: list[Fragment] = []
    for index, fragment in enumerate(ordered):
        together.append(fragment)
        if len(covers[index]):  # only the last of those built together says what they cover
            covered = tuple(covers[index].tolist())
            for each in together:
                yield Segment(
                    fragment=each.id,
                    covers=covered,
                    size_bytes=each.size_bytes,
                    n_rows=each.n_rows,
                )
            together = []


def _first_tier(strongest: Array, dtype: np.dtype[Any]) -> PostingList:
    """The postings in a `strongest` list."""
    gap, value, position, token, start, length = strongest.reshape(len(STRONGEST), -1)
    return PostingList(
        doc=np.cumsum(gap, dtype=np.uint64),
        max=value.astype(f"u{dtype.itemsize}").view(dtype),
        position=position,
        token=token.astype(np.int64),
        start=start.astype(np.int64),
        length=length.astype(np.int64),
    )


def _later_tier(gap: Array, value: Array, position: Array, *characters: Array) -> PostingList:
    unknown = np.broadcast_to(np.int64(-1), len(gap))
    start, length = (c.astype(np.int64) for c in characters) if characters else (unknown, unknown)
    return PostingList(
        doc=np.cumsum(gap, dtype=np.uint64),
        max=value,
        position=position,
        token=unknown,
        start=start,
        length=length,
    )


def _unpacked(bands: Sequence[Band], dtype: np.dtype[Any], characters: bool) -> PostingList:
    """The postings of all bands of a tier."""
    pieces = []
    for band in bands:
        doc, max_, position = band.postings(dtype)
        unknown = np.broadcast_to(np.int64(-1), band.n)
        start, length = band.characters(position) if characters else (unknown, unknown)
        pieces.append(
            PostingList(
                doc=doc, max=max_, position=position, token=unknown, start=start, length=length
            )
        )
    return pieces[0] if len(pieces) == 1 else PostingList.joined(pieces, dtype)


def scan_postings(codes: CodesTable, fragments: Iterable[int], feature: int) -> PostingList:
    """The posting list of one feature in fragments that no segment covers, by reading them."""
    return scan_posting_lists(codes, fragments, [feature])[feature]


def scan_posting_lists(
    codes: CodesTable, fragments: Iterable[int], features: Sequence[int]
) -> dict[int, PostingList]:
    """The posting list of each feature in fragments that no segment covers, by ascending document.

    The fragments are read once, whatever the number of features.
    """
    only = np.unique(np.array(features, np.uint32))
    columns = (*CODES_COLUMNS, *TOKEN_COLUMNS)
    pieces: list[Postings] = []
    tokens: list[tuple[Array, Array]] = []
    scanned = tuple(fragments)
    batches = codes.scan(columns, fragments=scanned) if scanned else iter(())
    for batch in batches:
        found = postings_of(batch, only=only)
        starts, lengths = (Lists.of(batch[n]).values for n in TOKEN_COLUMNS[1:])
        tokens.append((starts[found.token], lengths[found.token]))
        pieces.append(found)
    if not pieces:
        return {int(f): PostingList.joined([], codes.codec.dtype) for f in only}
    n_found = sum(len(piece) for piece in pieces)
    numbered = Postings(
        feature=concatenate((p.feature for p in pieces), np.uint32),
        doc=concatenate((p.doc for p in pieces), np.uint64),
        max=concatenate((p.max for p in pieces), codes.codec.dtype),
        position=concatenate((p.position for p in pieces), np.uint32),
        token=np.arange(n_found),
    )
    whole = merged([numbered], codes.codec.dtype)
    lists = PostingList(
        doc=whole.doc,
        max=whole.max,
        position=whole.position,
        token=np.full(len(whole), -1),
        start=concatenate((s for s, _ in tokens), np.uint32)[whole.token].astype(np.int64),
        length=concatenate((n for _, n in tokens), np.uint16)[whole.token].astype(np.int64),
    )
    ends = np.searchsorted(whole.feature, only, side="right")
    starts = np.searchsorted(whole.feature, only, side="left")
    return {int(f): lists[slice(a, b)] for f, a, b in zip(only, starts, ends, strict=True)}
