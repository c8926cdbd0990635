"""Lakes of short passages, cut from the codes of encoded collections.

A passage is a document of its own, with the tokens, codes and text of some neighbouring tokens of
a real one. So there are documents by the hundred thousand whose codes are real, also in which
features fire together, and no model is run. What a model made of a token it made of the whole
document around it.
"""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.common.synthetic import BUFFER_BYTES, SHELVES
from saelake.store.documents.documents import import_documents
from saelake.store.documents.imports import SourceBatch
from saelake.store.errors import InvalidInput
from saelake.store.format.lists import Lists
from saelake.store.format.schema import MAX_PART_TOKENS, CollectionSettings, codes_schema
from saelake.store.growth.index import index
from saelake.store.growth.shards import ShardCommitter, ShardWriter
from saelake.store.lake.dictionaries import RegisteredDictionary, register_dictionary, vocabulary_of
from saelake.store.lake.lake import CollectionName, Lake, absolute
from saelake.store.reports import IndexReport
from saelake.store.snapshot.collection import Collection, check_same_dictionary
from saelake.workers.encoder.pack import PageCodes, Part, pack

CORPUS = "passages"
N_TOKENS = 16
LEAST = 0.25  # of a passage's tokens: what is left of a document with fewer is no passage
SCAN_ROWS = 128  # rows of a collection that are cut at a time
SHARD_DOCUMENTS = 8192
HALVES = 2  # values of the metadata column that the two sides of a diff are made of
METADATA = pa.schema(
    [
        ("label", pa.string()),
        ("source", pa.string()),
        ("half", pa.int32()),
        ("shelf", pa.int32()),
    ]
)
_TOKENS = ("token_ids", "token_starts", "token_lengths")
_CODES = ("features", "counts", "positions", "values")


@dataclass(frozen=True, slots=True)
class Origin:
    """A collection in some lake."""

    lake: Lake
    name: CollectionName

    @classmethod
    def parse(cls, text: str) -> Self:
        """The two in `LAKE:CORPUS/DICTIONARY`. Raises `InvalidInput`."""
        uri, _, name = text.rpartition(":")
        if not uri:
            raise InvalidInput(f"{text!r} is not LAKE:CORPUS/DICTIONARY.")
        return cls(Lake(absolute(uri)), CollectionName.parse(name))

    def open(self) -> Collection:
        """A snapshot of the collection."""
        return Collection(self.lake, self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """Some tokens of a document; `starts` are characters of the passage's own `text`."""

    id: str
    text: str
    label: str | None
    source: str
    token_ids: npt.NDArray[np.int32]
    starts: npt.NDArray[np.uint32]
    lengths: npt.NDArray[np.uint16]

    def part(self, doc: int) -> Part:
        """The tokens, as those of the document of that number."""
        return Part(doc=doc, token_ids=self.token_ids, starts=self.starts, lengths=self.lengths)


@dataclass(frozen=True, slots=True)
class Cut:
    """Neighbouring passages, and their codes: the rows of `codes` number the passages."""

    passages: Sequence[Passage]
    codes: PageCodes

    def __len__(self) -> int:
        return len(self.passages)

    def first(self, n: int) -> "Cut":
        """The first `n` passages."""
        if n >= len(self):
            return self
        kept, codes = np.flatnonzero(self.codes.row < n), self.codes
        row, position = codes.row[kept], codes.position[kept]
        feature, value = codes.feature[kept], codes.value[kept]
        return Cut(self.passages[:n], PageCodes(row, position, feature, value))


@dataclass(frozen=True, slots=True)
class Passages:
    """The passages of several collections in turns, at most `n_documents` (None: all).

    The columns `half` and `shelf` are random numbers under 2 and 1000, from `seed`.
    """

    collections: Sequence[Collection]
    n_tokens: int = N_TOKENS
    n_documents: int | None = None
    seed: int = 0
    name: str = field(default=CORPUS, init=False)
    generated_ids: bool = field(default=False, init=False)

    @property
    def schema(self) -> pa.Schema:
        """The metadata columns (a `store.documents.imports.Source`)."""
        return METADATA

    def batches(self) -> Iterator[SourceBatch]:
        """The passages, as an import takes them."""
        for first, cut in self.cuts():
            yield SourceBatch(file=self.name, first_row=first, rows=self._rows(first, cut))

    def cuts(self) -> Iterator[tuple[int, Cut]]:
        """The number of the first passage of each cut, and the cut; none is empty."""
        first = 0
        for cut in _in_turns([_cuts(each, self.n_tokens) for each in self.collections]):
            taken = cut if self.n_documents is None else cut.first(self.n_documents - first)
            if len(taken):
                yield first, taken
            first += len(taken)
            if first == self.n_documents:
                return

    def _rows(self, first: int, cut: Cut) -> pa.RecordBatch:
        random = np.random.default_rng([self.seed, first])
        rows = {
            name: [getattr(passage, name) for passage in cut.passages]
            for name in ("id", "text", "label", "source")
        }
        own = {
            name: random.integers(0, n, len(cut), np.int32)
            for name, n in (("half", HALVES), ("shelf", SHELVES))
        }
        schema = pa.schema([("id", pa.string()), ("text", pa.string()), *METADATA])
        return pa.RecordBatch.from_pydict(rows | own, schema=schema)


def _in_turns(streams: Sequence[Iterator[Cut]]) -> Iterator[Cut]:
    """One of each, again and again, until all have ended."""
    waiting = deque(streams)
    while waiting:
        stream = waiting.popleft()
        with suppress(StopIteration):
            yield next(stream)
            waiting.append(stream)


def _cuts(collection: Collection, n_tokens: int) -> Iterator[Cut]:
    """All passages of a collection, in the order of its codes."""
    columns = ("doc", "part", "error", *_TOKENS, *_CODES)
    told = ["id", "text", *{"label"}.intersection(collection.documents.metadata_columns)]
    for batch in collection.codes.scan(columns, batch_rows=SCAN_ROWS):
        encoded = batch.filter(batch["error"].is_null())
        if encoded.num_rows:
            documents = collection.documents.take(np.asarray(encoded["doc"]), told).to_pylist()
            yield _cut(encoded, documents, collection, n_tokens)


def _cut(
    rows: pa.RecordBatch,
    documents: Sequence[Mapping[str, Any]],
    collection: Collection,
    n_tokens: int,
) -> Cut:
    tokens = [Lists.of(rows[name]) for name in _TOKENS]
    n_pieces = -(-tokens[0].lengths // n_tokens)
    first_piece = np.cumsum(n_pieces) - n_pieces
    number = np.full(n_pieces.sum(), -1, np.int32)  # of the passage that a piece becomes
    passages: list[Passage] = []
    for row, (document, part) in enumerate(zip(documents, rows["part"].to_pylist(), strict=True)):
        own = [column[row] for column in tokens]
        for piece in range(n_pieces[row]):
            span = slice(piece * n_tokens, (piece + 1) * n_tokens)
            at = part * MAX_PART_TOKENS + span.start
            passage = _passage(document, collection.name.corpus, at, *(each[span] for each in own))
            if len(passage.token_ids) >= LEAST * n_tokens and passage.text.strip():
                number[first_piece[row] + piece] = len(passages)
                passages.append(passage)
    features, counts, positions, values = (Lists.of(rows[name]) for name in _CODES)
    passage_of = number[first_piece[positions.rows] + positions.values // n_tokens]
    kept = np.flatnonzero(passage_of >= 0)
    codes = PageCodes(
        passage_of[kept],
        (positions.values[kept] % n_tokens).astype(np.int32),
        np.repeat(features.values, counts.values)[kept].astype(np.int32),
        collection.codes.codec.decode(values.values[kept]),
    )
    return Cut(passages, codes)


def _passage(
    document: Mapping[str, Any],
    source: str,
    at: int,
    token_ids: npt.NDArray[np.uint32],
    starts: npt.NDArray[np.uint32],
    lengths: npt.NDArray[np.uint16],
) -> Passage:
    """The passage of these tokens, the first of which is the document's token `at`."""
    begin, end = int(starts.min()), int((starts + lengths).max())
    label = document.get("label")
    return Passage(
        id=f"{source}/{document['id']}/{at}",
        text=document["text"][begin:end],
        label=None if label is None else str(label),
        source=source,
        token_ids=token_ids.astype(np.int32),
        starts=starts - np.uint32(begin),
        lengths=lengths,
    )


def make_passages(
    lake: Lake,
    sources: Sequence[Origin],
    *,
    n_tokens: int = N_TOKENS,
    n_documents: int | None = None,
    seed: int = 0,
) -> CollectionName:
    """Make a collection of the sources' passages in a new lake: import, codes, index.

    The collections must be of one dictionary, by whose name the first calls it. They are read
    twice: for the texts, and for the codes. Raises `DictionaryMismatch`.
    """
    collections = [source.open() for source in sources]
    for other in collections[1:]:
        check_same_dictionary(collections[0], other)
    settings = replace(collections[0].settings, corpus=CORPUS)
    passages = Passages(collections, n_tokens, n_documents, seed)
    imported = import_documents(lake, CORPUS, passages)
    assert imported.n_skipped == 0, imported.reasons  # else the codes would be of other documents
    origin = sources[0].lake
    dictionary = RegisteredDictionary.open(origin, settings.dictionary)
    register_dictionary(lake, dictionary, vocabulary_of(origin, settings.dictionary))
    _write_codes(lake, settings, passages)
    return _indexed(lake, settings, imported.n_documents)


def _write_codes(lake: Lake, settings: CollectionSettings, passages: Passages) -> None:
    schema = codes_schema(settings)
    writer = ShardWriter(lake, settings, buffer_bytes=BUFFER_BYTES)
    committer = ShardCommitter(lake, settings)
    begin = end = 0
    for first, cut in passages.cuts():
        parts = [passage.part(first + i) for i, passage in enumerate(cut.passages)]
        writer.add(pack(parts, cut.codes, schema=schema, codec=settings.codec))
        end = first + len(cut)
        if end - begin >= SHARD_DOCUMENTS:
            committer.commit([writer.finish(begin, end)])
            begin = end
    if end > begin:
        committer.commit([writer.finish(begin, end)])


def _indexed(lake: Lake, settings: CollectionSettings, n_documents: int) -> CollectionName:
    name = CollectionName(CORPUS, settings.dictionary)
    report: IndexReport = index(lake, name)
    assert report.n_documents == n_documents, report
    return name
