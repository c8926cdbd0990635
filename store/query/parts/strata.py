"""Strata: documents that are alike in length or in metadata, within which features are compared.

A number (the length in tokens is one) is cut at quantiles over all documents that are looked at; of
a text or a truth each value is its own stratum; of several controls each combination.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from saelake.store.documents.columns import as_texts, read_columns
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array
from saelake.store.query.parts.lengths import NOT_ENCODED, lengths
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

N_BINS = 20  # of a number; decision 018 has how much of a confound is left within them
LENGTH, LENGTH_ONLY = "length", "length()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Strata:
    """Which of `n` strata each document is in.

    `of` has for each selection the strata of all documents of its corpus by number, int32
    (n_documents,); -1 where a document is not selected, or has no value in a control. `controls`
    says what they are made of, as in "length in 20 bins".
    """

    of: tuple[Array, ...]
    n: int
    controls: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The documents that have one value in a column, as an author or a prompt.

    `of` is as in `Strata`; group i are the documents with `values[i]`, as text.
    """

    of: tuple[Array, ...]
    values: pa.Array

    @property
    def n(self) -> int:
        """How many values there are."""
        return len(self.values)


def groups(selections: Sequence[Selected], column: str) -> Groups:
    """The groups of the documents of one or more selections, by the values of a column.

    Values are compared as text, so 5 and "5" are one. Raises `InvalidInput` for a column that one
    of the corpora does not have, or of which values are no text.
    """
    read = [as_texts(_column(selected, column), column, "group") for selected in selections]
    encoded = pa.concat_arrays(read).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    known = np.concatenate([_kept(selected) for selected in selections]) & (codes >= 0)
    found, number = np.unique(codes[known], return_inverse=True)
    group = np.full(len(codes), -1, np.int32)
    group[known] = number
    ends = np.cumsum([len(values) for values in read])
    return Groups(of=tuple(np.split(group, ends[:-1])), values=encoded.dictionary.take(found))


def crossed(groups: Groups, strata: Strata) -> Strata:
    """The strata within each group: one for each group and stratum that has documents."""
    whole = [np.concatenate(parts).astype(np.int64) for parts in (groups.of, strata.of)]
    known = (whole[0] >= 0) & (whole[1] >= 0)
    found, number = np.unique(whole[0][known] * strata.n + whole[1][known], return_inverse=True)
    stratum = np.full(len(known), -1, np.int32)
    stratum[known] = number
    ends = np.cumsum([len(part) for part in groups.of])
    of = tuple(np.split(stratum, ends[:-1]))
    return Strata(of=of, n=len(found), controls=strata.controls)


def strata(
    session: Session, selections: Sequence[Selected], controls: Sequence[str], n_bins: int = N_BINS
) -> Strata:
    """The strata of the documents of one or more selections, by columns of metadata or length.

    `length` is the number of tokens. Where a corpus has a column of that name it must be said which
    is meant: `length()` is the number of tokens, `"length"` in double quotes the column. Raises
    `InvalidInput` for that, for a column that one of the corpora does not have, and for one of
    values that are no texts, numbers, truths or times.
    """
    parts = [_control(session, selections, name, n_bins) for name in controls]
    codes = np.zeros(sum(len(_kept(selected)) for selected in selections), np.int64)
    known = np.concatenate([_kept(selected) for selected in selections])
    for part in parts:
        known &= part.codes >= 0
    for part in parts:
        _, codes = np.unique(codes * part.n + part.codes, return_inverse=True)
    found, number = np.unique(codes[known], return_inverse=True)
    stratum = np.full(len(known), -1, np.int32)
    stratum[known] = number
    ends = np.cumsum([len(_kept(selected)) for selected in selections])
    return Strata(
        of=tuple(np.split(stratum, ends[:-1])),
        n=len(found),
        controls=tuple(part.said for part in parts),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Codes:
    """The part of one control: `codes` int64 of all documents end to end, -1 where unknown."""

    codes: Array
    n: int
    said: str


def _kept(selected: Selected) -> Array:
    """Which documents of the corpus are selected, bool (n_documents,)."""
    if selected.mask is not None:
        return selected.mask
    return np.ones(selected.collection.documents.n_documents, np.bool_)


def _control(session: Session, selections: Sequence[Selected], name: str, n_bins: int) -> _Codes:
    kept = np.concatenate([_kept(selected) for selected in selections])
    if _is_length(selections, name):
        values = np.concatenate([lengths(session, selected) for selected in selections])
        return _binned(values, kept & (values != NOT_ENCODED), "length", n_bins)
    read = [_column(selected, name) for selected in selections]
    column = name[1:-1] if _is_quoted(name) else name
    kinds = sorted({_kind(values.type, column) for values in read})
    if len(kinds) > 1:
        raise InvalidInput(
            f"{column} has {kinds[0]} in one corpus and {kinds[1]} in another: control for a "
            "column that is alike in both.",
            column=column,
        )
    if kinds == ["numbers"]:
        numbers = np.concatenate([_numbers(values) for values in read])
        return _binned(numbers, kept & np.isfinite(numbers), column, n_bins)
    texts = pa.chunked_array([values.cast(pa.string()) for values in read], pa.string())
    return _by_value(texts, kept, column)


def _is_quoted(name: str) -> bool:
    return len(name) > 2 and name[0] == name[-1] == '"' and '"' not in name[1:-1]


def _is_length(selections: Sequence[Selected], name: str) -> bool:
    """Whether the number of tokens is meant. Raises `InvalidInput` where a column may be, too."""
    if name != LENGTH:
        return name == LENGTH_ONLY
    for selected in selections:
        documents = selected.collection.documents
        if LENGTH in documents.metadata_columns:
            raise InvalidInput(
                f"{documents.corpus} has a column length, and length is also the number of tokens: "
                f'write {LENGTH_ONLY} for the number of tokens, or "length" in double quotes for '
                "the column.",
                column=LENGTH,
            )
    return True


def length_control(selections: Sequence[Selected]) -> str:
    """What the number of tokens is called where these corpora may have a column `length`."""
    columns = [s.collection.documents.metadata_columns for s in selections]
    return LENGTH_ONLY if any(LENGTH in each for each in columns) else LENGTH


def _column(selected: Selected, column: str) -> pa.Array:
    """The column of all documents of the corpus, by number."""
    rows = read_columns(selected.collection.documents, [column]).sort_by("doc")
    values = rows[column].combine_chunks()
    kind = values.type
    return values.cast(kind.value_type) if pa.types.is_dictionary(kind) else values


def _kind(kind: pa.DataType, column: str) -> str:
    """What a column has, in words. Raises `InvalidInput` for what cannot make strata."""
    types = pa.types
    if types.is_string(kind) or types.is_large_string(kind) or types.is_boolean(kind):
        return "texts"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "numbers"
    if types.is_date(kind) or types.is_timestamp(kind) or types.is_time(kind):
        return "numbers"
    raise InvalidInput(
        f"{column} has values of type {kind}: control for a column of texts, numbers, truths or "
        "times.",
        column=column,
    )


def _numbers(values: pa.Array) -> Array:
    """The numbers of a column, float64, NaN where there is none; times as seconds."""
    if pa.types.is_date(values.type):
        values = values.cast(pa.timestamp("s"))
    if pa.types.is_timestamp(values.type):
        zone = values.type.tz
        values = values.cast(pa.timestamp("us", zone), safe=False).cast(pa.int64())
    elif pa.types.is_time(values.type):
        values = values.cast(f"int{values.type.bit_width}")
    numbers: Array = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return numbers


def _binned(values: Array, known: Array, name: str, n_bins: int) -> _Codes:
    """Numbers cut at quantiles, each edge in the lower bin; few values are a bin each."""
    ordered = np.sort(values[known])
    edges = ordered[np.flatnonzero(np.diff(ordered, append=np.inf))]
    if len(edges) > n_bins:
        places = np.ceil(np.arange(1, n_bins + 1) * (len(ordered) / n_bins)).astype(np.int64) - 1
        edges = np.union1d(ordered[places], _around(ordered, len(ordered) / n_bins))
    codes = np.full(len(values), -1, np.int64)
    codes[known] = np.searchsorted(edges, values[known])
    return _Codes(codes=codes, n=max(len(edges), 1), said=f"{name} in {len(edges)} bins")


def _around(ordered: Array, n: float) -> Array:
    """The edges of bins for values that more than `n` have, as where documents are cut."""
    first = np.flatnonzero(np.diff(ordered, prepend=-np.inf))
    counts = np.diff(np.append(first, len(ordered)))
    heavy = np.flatnonzero(counts > n)
    return np.asarray(ordered[first[np.concatenate([heavy, heavy[heavy > 0] - 1])]])


def _by_value(texts: pa.ChunkedArray, kept: Array, name: str) -> _Codes:
    encoded = pa.concat_arrays(texts.chunks).dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    codes[~kept] = -1
    n = len(np.unique(codes[codes >= 0]))
    return _Codes(codes=codes, n=max(len(encoded.dictionary), 1), said=f"{name} ({n} values)")
