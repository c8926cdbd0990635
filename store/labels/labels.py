"""Labels of a dictionary's features: what they say, who says so, and which are near a phrase."""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.errors import NotFound
from saelake.store.format.lists import Array, Lists
from saelake.store.format.provenance import ScoreKind
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.index.vectors import IndexFile, VectorIndex
from saelake.store.labels.chosen import by_kind, in_order
from saelake.store.labels.commits import LabelEdit, commit_labels
from saelake.store.labels.rows import COUNTED, RANKED, Row, kinds, said_again
from saelake.store.lake.lake import Lake
from saelake.store.requests.commands.labels import AUTOMATIC, BY_HAND
from saelake.store.tables.tables import Table

SAYS_SOMETHING = "label <> ''"
APART = ("embedder", "embedding", "until", "scores", "made")  # read for those that are shown
KEY = ("feature", "explainer", "until")
MOST_NAMED = 1000  # features of which rows are read alone
SAID = [name for name in LABELS_COLUMNS.names if name not in APART]
EMBEDDED = ["feature", "label", "explainer", "corpus", "score", "score_kind"]
PAIRS_AT_ONCE = 1 << 16
MANY = 1 / 16  # share of all pairs from which one product makes the cosines of all
MOST_LABELS = 8192  # of which all pairs are held at once: 256 MiB
MOST = 1 / 2  # share of the most features embedded from which imported labels answer phrases


def automatic(corpus: str) -> str:
    """The explainer of the labels that are made from a corpus."""
    return f"{AUTOMATIC}{corpus}"


def corpus_of(explainer: str) -> str | None:
    """The corpus that an explainer's labels are made from; None where they are not automatic."""
    return explainer.removeprefix(AUTOMATIC) if explainer.startswith(AUTOMATIC) else None


class LabelsTable:
    """A snapshot of a dictionary's labels, as a corpus of it sees them.

    Each feature has a label from every explainer. Its own label is the best of them: one by hand,
    else one that was imported, else the automatic one of this corpus, else that of another; then
    one whose score is of the kind that comes first in `format.provenance.RANKING`, then the larger
    score, then the explainer first by name. With `explainers` only of theirs; with a `kind` the
    score of that kind is each label's score, and there is no other.
    """

    def __init__(
        self,
        dictionary: str,
        corpus: str | None,
        table: Table | None,
        *,
        explainers: Sequence[str] = (),
        kind: ScoreKind | None = None,
    ) -> None:
        self.dictionary = dictionary
        self._corpus = corpus
        self._table = table
        self._only = tuple(sorted(set(explainers)))
        self._kind = kind

    @classmethod
    def open(
        cls,
        lake: Lake,
        dictionary: str,
        corpus: str | None = None,
        *,
        explainers: Sequence[str] = (),
        kind: ScoreKind | None = None,
    ) -> "LabelsTable":
        """The newest labels; none where nobody has made any."""
        table = Table.find(lake.labels(dictionary))
        return cls(dictionary, corpus, table, explainers=explainers, kind=kind)

    @property
    def key(self) -> Hashable:
        """What tells this snapshot from every other; None where there are none."""
        return self._table and (self._table.key, self._only, self._kind)

    @property
    def n_bytes(self) -> int:
        """About how much memory they take once they are read."""
        return self._table.size_bytes if self._table else 1

    def __len__(self) -> int:
        return int(self.best.num_rows)

    def read(self, columns: list[str], where: str | None = None) -> pa.Table:
        """These columns of all labels; null where an earlier saelake did not keep them.

        The corpus of an automatic label is known by its explainer.
        """
        return self._read(columns, [*self._theirs, "until IS NULL", *([where] if where else [])])

    def former(self, columns: list[str]) -> pa.Table:
        """These columns of the labels that were replaced or taken back, and `until` when."""
        if self._table is None or "until" not in self._table.schema.names:
            return pa.schema([LABELS_COLUMNS.field(name) for name in columns]).empty_table()
        return self._read(columns, [*self._theirs, "until IS NOT NULL"])

    def provenance(self, rows: pa.Table) -> pa.Table:
        """The columns `scores` and `made` of labels, also former ones, in their order.

        They are known by their `feature`, `explainer` and `until`.
        """
        features = sorted(set(rows["feature"].to_pylist()))
        named = f"feature IN ({', '.join(map(str, features))})"
        filters = [named] if 0 < len(features) <= MOST_NAMED else []
        found = self._read([*KEY, "scores", "made"], [*self._theirs, *filters])
        at = {key: i for i, key in enumerate(_keys(found))}
        places = [at.get(key) for key in _keys(rows)]
        return found.select(["scores", "made"]).take(pa.array(places, pa.int64()))

    @property
    def _theirs(self) -> list[str]:
        """A filter for the explainers that are looked at, if it is not all."""
        names = ", ".join(_quoted(name) for name in self._only)
        return [f"explainer IN ({names})"] if names else []

    def _read(self, columns: list[str], filters: list[str]) -> pa.Table:
        schema = pa.schema([LABELS_COLUMNS.field(name) for name in columns])
        if self._table is None:
            return schema.empty_table()
        has_former = "until" in self._table.schema.names
        kept = [f"({f})" for f in filters if has_former or not f.startswith("until")]
        where = " AND ".join(kept) or None
        ranked = any(name in RANKED for name in columns) and self._kind is not None
        needed = ["explainer", *(("scores", *RANKED, *COUNTED) if ranked else ())]
        needed += ["score", "scored_on"] if "score_kind" in columns else []
        wanted = [*columns, *(name for name in needed if name not in columns)]
        stored = [name for name in wanted if name in self._table.schema.names]
        of_these = pa.schema([LABELS_COLUMNS.field(name) for name in stored])
        rows = pa.Table.from_batches(self._table.scan(stored, where=where), of_these)
        absent = {n: pa.nulls(rows.num_rows, LABELS_COLUMNS.field(n).type) for n in wanted}
        told = absent | {name: rows[name] for name in stored}
        if ranked:
            told |= by_kind(told, self._kind)
        if "score_kind" in columns:
            told["score_kind"] = kinds(told)
        if "corpus" in columns:
            known = pa.array(map(corpus_of, rows["explainer"].to_pylist()), pa.string())
            told["corpus"] = pc.coalesce(told["corpus"], known)
        return pa.table([told[name] for name in columns], schema=schema)

    @cached_property
    def best(self) -> pa.Table:
        """The features' own labels, by feature, without embeddings (the columns `SAID`).

        Empty ones, which an earlier saelake took from files, are none.
        """
        first = np.unique(self.each["feature"].to_numpy(), return_index=True)[1]
        return self.each.take(pa.array(first, pa.int64()))

    @cached_property
    def each(self) -> pa.Table:
        """Every explainer's labels (the columns `SAID`): by feature, and of it the best first."""
        table = self.read(SAID)
        table = table.filter(pc.not_equal(pc.utf8_trim_whitespace(table["label"]), ""))
        rank = [self._rank(explainer) for explainer in table["explainer"].to_pylist()]
        return in_order(table, np.array(rank, np.int64))

    def _rank(self, explainer: str) -> int:
        """0 for labels by hand, 1 for imported ones, 2 for this corpus's automatic ones, else 3."""
        if not explainer.startswith(AUTOMATIC):
            return 0 if explainer == BY_HAND else 1
        return 2 if self._corpus and explainer == automatic(self._corpus) else 3

    def of(self, features: Iterable[int]) -> list[str | None]:
        """The label of each of these features, or None."""
        found: list[str | None] = self.column(np.fromiter(features, np.int64)).to_pylist()
        return found

    def column(self, features: Array) -> pa.DictionaryArray:
        """The label of each of these features, or null: a column (`LABEL`) with each text once.

        A label that was made from another corpus begins with its name: `(news) fires on …`.
        """
        rows = self._best_rows(features)
        encoded = pa.array(rows, mask=rows < 0).dictionary_encode()
        best = self.best.select(["label", "corpus"]).take(encoded.dictionary)
        marked = [self._marked(**row) for row in best.to_pylist()]
        texts = pa.array(marked, pa.string()).dictionary_encode()
        index = texts.indices.take(encoded.indices)
        return pa.DictionaryArray.from_arrays(index, texts.dictionary)

    def rows(self, features: Array) -> pa.Table:
        """What is said of each of these features (the columns `SAID`); null of one without."""
        rows = self._best_rows(features)
        return self.best.take(pa.array(rows, pa.int64(), mask=rows < 0))

    def _marked(self, label: str, corpus: str | None) -> str:
        """A label, with the corpus that it was made from where that is another than this."""
        return label if corpus in (None, self._corpus) else f"({corpus}) {label}"

    @cached_property
    def _best_rows(self) -> "_Rows":
        return _Rows(self.best["feature"].to_numpy())

    @cached_property
    def _embedded_rows(self) -> "_Rows":
        return _Rows(self._embedded["feature"].to_numpy())

    @cached_property
    def _embedders(self) -> Counter[str]:
        """How many labels with embeddings each explainer has made."""
        rows = self.read(["explainer"], where=f"embedding IS NOT NULL AND {SAYS_SOMETHING}")
        return Counter(rows["explainer"].to_pylist())

    @property
    def are_embedded(self) -> bool:
        """Whether some label has an embedding."""
        return bool(self._embedders)

    @cached_property
    def _embedded(self) -> pa.Table:
        """The labels with embeddings of the one explainer that answers phrases, by feature.

        Vectors of several cannot be ranked together. It is an imported one, if that has embedded
        at least half as many features as any; else this corpus's own automatic one, else the one
        that has embedded the most.
        """
        counts = self._embedders
        if not counts:
            raise NotFound(
                f"The labels of {self.dictionary} have no embeddings, so no phrase can be near "
                f"them. {self._how_to_embed}",
                dictionary=self.dictionary,
            )
        least = MOST * max(counts.values())
        chosen = min(counts, key=lambda e: (counts[e] < least, self._rank(e), -counts[e], e))
        where = f"explainer = {_quoted(chosen)} AND embedding IS NOT NULL AND {SAYS_SOMETHING}"
        table = self.read([*EMBEDDED, "embedder", "embedding"], where=where)
        return table.sort_by("feature").combine_chunks()

    @property
    def _how_to_embed(self) -> str:
        """How embeddings are made for the labels that there are, which need a sentence model."""
        name = f"{self._corpus or 'CORPUS'}/{self.dictionary}"
        automatic = f"`saelake label {name} --model MODEL`, with a sentence model,"
        if len(self) and not any(e.startswith(AUTOMATIC) for e in self._explainers):
            return (
                f"Take them again with `saelake label {self.dictionary} --file FILE --model "
                f"MODEL`; or {automatic} makes automatic ones that have them."
            )
        return f"{automatic} makes labels with them."

    @property
    def _explainers(self) -> list[str]:
        explainers: list[str] = self.best["explainer"].to_pylist()
        return explainers

    @property
    def embedder(self) -> str:
        """Where the model is that made the embeddings. Raises `NotFound` when there are none."""
        return str(self._embedded["embedder"][0].as_py())

    @cached_property
    def _index(self) -> VectorIndex:
        assert self._table is not None
        n = self._embedded.num_rows
        vectors = Lists.of(self._embedded["embedding"]).values.reshape(n, -1)
        explainer = self._embedded["explainer"][0].as_py()
        file = IndexFile(table=self._table, n=n, width=vectors.shape[1], part=explainer)
        return file.index(lambda at: vectors if at is None else vectors[at])

    def nearest(self, vector: Array, k: int, min_score: float | None = None) -> tuple[Array, Array]:
        """The features whose labels have the largest inner product with a vector (1, width).

        Int64, and the products float32; ties by feature. With `min_score` only of labels with at
        least this score. Raises `NotFound` when no label has an embedding, or such a score.
        """
        features = self._embedded["feature"].to_numpy().astype(np.int64)
        keep = None if min_score is None else self._scored(min_score)
        rows, products = (found[0] for found in self._index.nearest(vector, k, keep))
        present = rows >= 0
        return features[rows[present]], products[present]

    def _scored(self, least: float) -> Array:
        """Which of the labels with embeddings have at least this score."""
        score = self._embedded["score"].fill_null(-np.inf).to_numpy()
        keep: Array = score >= np.float32(least)
        if not keep.any():
            raise NotFound(
                f"No label of {self.dictionary} has a score of at least {least:g}: ask for less, "
                "or run `saelake label` again, which scores them.",
                dictionary=self.dictionary,
            )
        return keep

    def embedded_rows(self, features: Array) -> pa.Table:
        """The labels of these features that answer phrases: the columns `EMBEDDED`."""
        rows = self._embedded_rows(features)
        return self._embedded.select(EMBEDDED).take(pa.array(rows, pa.int64()))

    @property
    def answering(self) -> str | None:
        """The explainer whose labels answer phrases; None where no label has an embedding."""
        return str(self._embedded["explainer"][0].as_py()) if self.are_embedded else None

    def similarity(self, a: Array, b: Array) -> Array:
        """The cosine of the labels of a[i] and b[i], float32 (n,); NaN where one has none."""
        rows_of = self._embedded_rows
        found = np.empty(len(a), np.float32)
        cosines = self._every() if self._are_many(len(a)) else self._cosines
        for begin in range(0, len(a), PAIRS_AT_ONCE):
            part = slice(begin, begin + PAIRS_AT_ONCE)
            rows = rows_of(a[part]), rows_of(b[part])
            known = (rows[0] >= 0) & (rows[1] >= 0)
            found[part] = np.where(known, cosines(*rows), np.nan)
        return found

    def _cosines(self, a: Array, b: Array) -> Array:
        found: Array = np.einsum("nd,nd->n", self._directions[a], self._directions[b])
        return found

    def _are_many(self, n_pairs: int) -> bool:
        n_labels = len(self._directions)
        return n_labels <= MOST_LABELS and n_pairs >= MANY * n_labels**2

    def _every(self) -> Callable[[Array, Array], Array]:
        """What looks cosines up in those of all pairs of labels, made at once."""
        every = self._directions @ self._directions.T
        return lambda a, b: every[a, b]

    @cached_property
    def _directions(self) -> Array:
        """The embeddings with length 1."""
        vectors = self._index.vectors
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: Array = vectors / np.maximum(length, np.float32(1e-30))
        return unit


class _Rows:
    """In which row each feature is, by a table of all features up to the largest."""

    def __init__(self, features: Array) -> None:
        self._rows = np.full(int(features.max(initial=0)) + 2, -1, np.int32)  # the last: beyond
        self._rows[features] = np.arange(len(features))

    def __call__(self, features: Array) -> Array:
        """The row of each, int32 of the same shape; -1 where it has none."""
        return np.take(self._rows, features, mode="clip")


def _keys(rows: pa.Table) -> list[tuple[Any, ...]]:
    return list(zip(*(rows[name].to_pylist() for name in KEY), strict=True))


def _quoted(text: str) -> str:
    """The text in a filter."""
    escaped = text.replace("'", "''")
    return f"'{escaped}'"


def write_labels(lake: Lake, dictionary: str, rows: pa.Table) -> None:
    """Put labels beside those of other explainers; they replace what the same explainers said.

    Of the same text again, scores of kinds that are not given stay.
    """
    said = sorted(set(rows["explainer"].to_pylist()))
    absent = [n for n in LABELS_COLUMNS.names if n not in rows.schema.names]
    for name in absent:
        rows = rows.append_column(
            LABELS_COLUMNS.field(name), pa.nulls(rows.num_rows, LABELS_COLUMNS.field(name).type)
        )
    rows = rows.select(LABELS_COLUMNS.names).cast(LABELS_COLUMNS)

    def decide(stored: pa.Table) -> LabelEdit:
        return LabelEdit(goes=np.ones(stored.num_rows, bool), rows=_still_scored(rows, stored))

    commit_labels(lake, dictionary, decide, explainers=said)


def _still_scored(rows: pa.Table, stored: pa.Table) -> pa.Table:
    """The rows of labels, with scores that the stored ones have beyond that of their words."""
    judged = pc.greater(pc.list_value_length(stored["scores"]), 1)
    known = {_label_key(row): row for row in stored.filter(judged).to_pylist()}
    if not known:
        return rows
    there = np.array([key in known for key in _label_keys(rows)], bool)
    again = [said_again(row, known[_label_key(row)]) for row in rows.filter(there).to_pylist()]
    return pa.concat_tables([rows.filter(~there), pa.Table.from_pylist(again, LABELS_COLUMNS)])


def _label_key(row: Row) -> tuple[str, int, str]:
    return row["explainer"], row["feature"], row["label"]


def _label_keys(rows: pa.Table) -> Iterator[tuple[str, int, str]]:
    columns = (rows[name].to_pylist() for name in ("explainer", "feature", "label"))
    return zip(*columns, strict=True)
