"""How often features fire in one selection, against others.

Of a document b = 1 where the feature's largest value is above the threshold, and a feature's
frequency is the mean of b (arXiv 2512.10092, section 3; interp_embed's `diff_features`): absolute
difference f_a - f_b, relative (f_a - f_b) / max(f_a, f_b). Of tokens likewise. Documents that
could not be encoded are not counted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from saelake.store.arrays.statistics import adjusted, discordant, log_odds, two_proportions
from saelake.store.codes.embeddings import take
from saelake.store.codes.executor import Piece, pieces
from saelake.store.codes.table import CodesTable
from saelake.store.documents.filters import DocumentMask
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Array, Lists
from saelake.store.query.parts.examples import examples
from saelake.store.query.parts.frequencies import Count, counted, frequencies
from saelake.store.query.parts.labelled import labels_of
from saelake.store.query.parts.pairs import Pairs, paired
from saelake.store.requests.checks import Selection
from saelake.store.requests.diff import EXAMPLE, DiffQuery
from saelake.store.snapshot.collection import check_same_dictionary
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

MOST_EXAMPLES = 100  # rows that get examples: each is a query of its own
SCAN_ROWS = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Counts of both sides, by feature, int64 (d_sae,): `against` is the index of the other."""

    n_a: int
    a: Array
    n_b: Array
    b: Array
    against: Array
    n_others: tuple[int, ...]
    p: Array
    test: str

    @property
    def frequencies(self) -> tuple[Array, Array]:
        """The shares on both sides."""
        return self.a / self.n_a, self.b / self.n_b


def diff(session: Session, query: DiffQuery) -> pa.Table:
    """Features by how differently often they fire, ties by frequency in a, by feature.

    The schema's metadata says n_a, n_b (of the first other), n_tested and the test. q-values are
    over all features that fire on a side and are within the coverage limits. Raises
    `DictionaryMismatch` for selections of different dictionaries, `InvalidInput` for one that has
    no document.
    """
    a, *others = (session.select(selection) for selection in (query.a, *query.others))
    for other in others:
        check_same_dictionary(a.collection, other.collection)
    if query.align is None:
        made = _compared(session, a, others, query)
    else:
        made = _paired(session, a, others[0], query, query.align)
    _check_sides(query, made)
    share_a, share_b = made.frequencies
    larger, smaller = np.maximum(share_a, share_b), np.minimum(share_a, share_b)
    tested = (larger > 0) & (smaller >= query.min_coverage) & (larger <= query.max_coverage)
    features = np.flatnonzero(tested)
    difference = (share_a - share_b)[features]
    columns = {
        "feature": features,
        "frequency_a": share_a[features],
        "frequency_b": share_b[features],
        "difference": difference,
        "relative": difference / larger[features],
        "log_odds": log_odds(made.a, made.n_a, made.b, made.n_b)[features],
        "p_value": made.p[features],
        "q_value": adjusted(made.p[features]),
        "against": made.against[features],
    }
    size = np.abs(columns[query.order])
    order = np.lexsort((features, -columns["frequency_a"], -size))[: query.k]
    chosen = {name: column[order] for name, column in columns.items()}
    table = _rows(session, query, a, others, chosen)
    said = {
        "n_a": made.n_a,
        "n_b": made.n_others[0],
        "n_tested": len(features),
        "test": made.test,
    }
    return table.replace_schema_metadata({name: str(value) for name, value in said.items()})


def _check_sides(query: DiffQuery, made: Comparison) -> None:
    counts = zip((query.a, *query.others), (made.n_a, *made.n_others), strict=True)
    empty = next((selection for selection, n in counts if n == 0), None)
    if empty is not None:
        raise InvalidInput(
            f"{empty} has no {query.unit} that is encoded, so nothing can be compared with it.",
            selection=str(empty),
        )


# -- Counts of separate selections, by document or by token.


def _compared(
    session: Session, a: Selected, others: Sequence[Selected], query: DiffQuery
) -> Comparison:
    """Counts of unpaired selections; against the other in which a feature is most frequent."""
    n_a, fires_a = _counts(session, a, query)
    counts = [_counts(session, other, query) for other in others]
    n = np.array([n_other for n_other, _ in counts])
    fires = np.stack([fires_other for _, fires_other in counts])
    against = np.argmax(fires / np.maximum(n, 1)[:, None], axis=0)
    b = np.take_along_axis(fires, against[None], axis=0)[0]
    return Comparison(
        n_a=n_a,
        a=fires_a,
        n_b=n[against],
        b=b,
        against=against,
        n_others=tuple(n.tolist()),
        p=two_proportions(fires_a, n_a, b, n[against]),
        test="two-proportion z (Fisher's exact where an expected count is under 5)",
    )


def _counts(session: Session, selected: Selected, query: DiffQuery) -> tuple[int, Array]:
    """How many documents or tokens there are, and at how many each feature fires (d_sae,)."""
    if query.unit == "token":
        work = partial(_token_counts, mask=selected.mask, threshold=query.threshold)
        return counted(
            session.executor.map(work, pieces(selected.collection.codes)), selected.width
        )
    if query.threshold == 0:
        return frequencies(session, selected)
    parts = session.embeddings.map(selected, Count(selected.width, query.threshold))
    return counted(parts, selected.width)


def _token_counts(
    piece: Piece, *, mask: DocumentMask | None, threshold: float
) -> tuple[int, Array]:
    """How many tokens a piece's documents have, and at how many each feature fires."""
    codes, d_sae = piece.codes, piece.codes.settings.width
    n, fires = 0, np.zeros(d_sae, np.int64)
    columns = ("doc", "error", "token_ids", "features", "counts", "values")
    for batch in codes.scan(columns, fragments=piece.fragments, batch_rows=SCAN_ROWS):
        keep = batch["error"].is_null()
        if mask is not None:
            keep = pa.array(np.asarray(keep) & mask[np.asarray(batch["doc"])])
        batch = batch.filter(keep)
        n += len(Lists.of(batch["token_ids"]).values)
        feature = np.repeat(Lists.of(batch["features"]).values, Lists.of(batch["counts"]).values)
        above = codes.codec.decode(Lists.of(batch["values"]).values) > np.float32(threshold)
        fires += np.bincount(feature[above], minlength=d_sae)
    return n, fires


# -- Counts of pairs of documents, one of each selection.


def _paired(session: Session, a: Selected, b: Selected, query: DiffQuery, align: str) -> Comparison:
    """Counts over pairs of documents that have the same value in a column."""
    pairs = paired(a, b, align)
    if len(pairs) == 0:
        raise InvalidInput(
            f"No document of {query.a} has the same {align} as one of {query.others[0]}.",
            align=align,
        )
    work = partial(
        _pair_counts, a=a.collection.codes, b=b.collection.codes, threshold=query.threshold
    )
    n, fires_a, fires_b, both = 0, *np.zeros((3, a.width), np.int64)
    for n_part, part_a, part_b, part_both in session.executor.map(work, pairs.chunks()):
        n, fires_a, fires_b, both = n + n_part, fires_a + part_a, fires_b + part_b, both + part_both
    return Comparison(
        n_a=n,
        a=fires_a,
        n_b=np.full(a.width, n),
        b=fires_b,
        against=np.zeros(a.width, np.int64),
        n_others=(n,),
        p=discordant(fires_a - both, fires_b - both),
        test="McNemar's exact, over pairs",
    )


def _pair_counts(
    pairs: Pairs, *, a: CodesTable, b: CodesTable, threshold: float
) -> tuple[int, Array, Array, Array]:
    """The pairs of which both sides are encoded; where each feature fires in a, in b, in both."""
    sides = take(a, pairs.a), take(b, pairs.b)
    encoded = np.isin(pairs.a, sides[0].doc) & np.isin(pairs.b, sides[1].doc)
    d_sae = np.uint64(a.settings.width)
    keys = []
    for side, docs in zip(sides, (pairs.a[encoded], pairs.b[encoded]), strict=True):
        block = side[np.flatnonzero(np.isin(side.doc, docs))]
        fires = block.values > np.float32(threshold)
        keys.append(block.rows[fires].astype(np.uint64) * d_sae + block.features[fires])
    both: Array = np.intersect1d(keys[0], keys[1], assume_unique=True)
    fires_a, fires_b, fires_both = (
        np.bincount((key % d_sae).astype(np.int64), minlength=int(d_sae)) for key in (*keys, both)
    )
    return int(encoded.sum()), fires_a, fires_b, fires_both


# -- The answer's rows, with an example of each side.


def _rows(
    session: Session,
    query: DiffQuery,
    a: Selected,
    others: Sequence[Selected],
    chosen: dict[str, Array],
) -> pa.Table:
    features, against = chosen["feature"], chosen["against"]
    shown = features[:MOST_EXAMPLES].tolist() if query.examples else []
    examples_a = examples(a.collection, shown, [query.a.where] * len(shown))
    examples_b = _examples_b(query.others, others, shown, against[: len(shown)].tolist())
    arrays = chosen | {
        "against": pa.array([str(other) for other in query.others]).take(pa.array(against)),
        "label": labels_of(session, a.collection).column(features).dictionary_decode(),
        "example_a": _padded(examples_a, len(features)),
        "example_b": _padded(examples_b, len(features)),
    }
    return pa.Table.from_arrays(
        [
            array if isinstance(array, pa.Array) else pa.array(array, field.type)
            for field, array in ((field, arrays[field.name]) for field in DiffQuery.answer)
        ],
        schema=DiffQuery.answer,
    )


def _padded(found: Sequence[dict[str, object] | None], n: int) -> pa.Array:
    return pa.concat_arrays([pa.array(found, EXAMPLE), pa.nulls(n - len(found), EXAMPLE)])


def _examples_b(
    selections: Sequence[Selection],
    others: Sequence[Selected],
    features: Sequence[int],
    against: Sequence[int],
) -> list[dict[str, object] | None]:
    found: Iterator[dict[str, object] | None] = (
        examples(others[i].collection, [feature], [selections[i].where])[0]
        for feature, i in zip(features, against, strict=False)
    )
    return list(found)
