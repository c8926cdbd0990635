"""Which features of one dictionary do what features of another do, on the same tokens.

Over the n tokens of the documents that both have encoded (of samples, those in both), with a
feature's value 0 where it does not fire: Pearson's correlation of the values; or the Jaccard
similarity of the tokens at which the two fire. Both dictionaries must have cut the texts into the
same tokens.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from saelake.store.errors import DictionaryMismatch, InvalidInput, NotFound
from saelake.store.format.lists import Array
from saelake.store.labels.labels import LabelsTable
from saelake.store.query.neighbors import decoder
from saelake.store.query.parts.crossing import best_partners
from saelake.store.query.parts.labelled import kept_labels, labels_of
from saelake.store.query.parts.left_out import left_out
from saelake.store.query.parts.lengths import NOT_ENCODED, lengths
from saelake.store.query.parts.said import metadata
from saelake.store.query.parts.same_tokens import SameTokens
from saelake.store.requests.checks import Selection
from saelake.store.requests.match import MatchQuery
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session


def match(session: Session, query: MatchQuery) -> pa.Table:
    """For each feature of a the `k` best of b: best first within it, by feature of a.

    Features that never fire at one token are no match. Raises `InvalidInput` for collections of
    different corpora, `DictionaryMismatch` where their tokens differ or, for directions, spaces.
    """
    if query.by == "decoder":
        return _by_direction(session, query)
    a, b = session.collection(query.a), session.collection(query.b)
    a.check_features(query.features)
    chosen = np.unique(np.array(query.features or range(a.settings.width), np.int64))
    if a.name.corpus != b.name.corpus:
        raise InvalidInput(
            f"{a.name} and {b.name} are of different corpora; features are matched on the same "
            "tokens. Encode one corpus with both dictionaries, or match by decoder.",
            a=a.name,
            b=b.name,
        )
    selected = session.select(Selection(collection=query.a, where=query.where))
    mask = selected.mask
    both = SameTokens(a.codes, b.codes, mask)
    parts = list(best_partners(session.executor, both, chosen, query.by, query.k))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    rows = _rows(labels_of(session, a), labels_of(session, b), columns)
    notes = _left_out(session, selected, Selected(b, mask), chosen, columns["feature_a"])
    return rows.replace_schema_metadata(metadata(notes=[*notes]))


def _left_out(
    session: Session, a: Selected, b: Selected, chosen: Array, matched: Array
) -> Iterator[str]:
    """How many documents only one side has, and how many features have no match."""
    in_a, in_b = (lengths(session, side) != NOT_ENCODED for side in (a, b))
    n = min(len(in_a), len(in_b))
    kept = np.ones(n, np.bool_) if a.mask is None else a.mask[:n]
    for side, mine, theirs in ((a, in_a, in_b), (b, in_b, in_a)):
        alone, where = int((mine[:n] & ~theirs[:n] & kept).sum()), side.collection.name
        yield from left_out(
            alone,
            f"document is encoded in {where} alone",
            f"documents are encoded in {where} alone",
        )
    neither = int((~in_a[:n] & ~in_b[:n] & kept).sum())
    yield from left_out(neither, "document is not encoded", "documents are not encoded")
    yield from left_out(
        len(np.setdiff1d(chosen, matched)),
        "feature of the first never fires at one token with one of the second",
        "features of the first never fire at one token with one of the second",
    )


def _rows(labels_a: LabelsTable, labels_b: LabelsTable, columns: Mapping[str, Array]) -> pa.Table:
    """The answer, with nulls for columns that there are none of."""
    n = len(columns["score"])
    arrays = {field.name: pa.nulls(n, field.type) for field in MatchQuery.answer} | dict(columns)
    for side, labels in (("a", labels_a), ("b", labels_b)):
        arrays[f"label_{side}"] = labels.column(columns[f"feature_{side}"])
    return pa.Table.from_pydict(arrays, schema=MatchQuery.answer)


def _by_direction(session: Session, query: MatchQuery) -> pa.Table:
    """Of two dictionaries, or of those of two collections."""
    names = [name.rpartition("/")[2] for name in (query.a, query.b)]
    mine, theirs = (decoder(session, name) for name in names)
    if mine.vectors.width != theirs.vectors.width:
        raise DictionaryMismatch(
            f"Decoder directions of {names[0]} have {mine.vectors.width} numbers, of {names[1]} "
            f"{theirs.vectors.width}: they are of different spaces. Match by activation.",
            a=names[0],
            b=names[1],
        )
    chosen = np.unique(np.array(query.features or mine.every(), np.int64))
    unknown = chosen[~np.isin(chosen, mine.every())]
    if len(unknown):
        raise NotFound(f"{names[0]} has no feature {unknown[0]}.", feature=unknown[0])
    poles, cosines = theirs.nearest(mine.of(chosen), query.k)
    found = poles.reshape(-1) >= 0
    columns = {
        "feature_a": np.repeat(chosen, poles.shape[1])[found],
        "feature_b": poles.reshape(-1)[found],
        "score": cosines.reshape(-1)[found].astype(np.float64),
    }
    labels_a, labels_b = (_labels(session, name) for name in (query.a, query.b))
    return _rows(labels_a, labels_b, columns)


def _labels(session: Session, name: str) -> LabelsTable:
    """The labels of a dictionary, or as the corpus of a collection sees them."""
    corpus, _, dictionary = name.rpartition("/")
    return kept_labels(session, dictionary, corpus or None)
