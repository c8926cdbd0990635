"""From matching tokens to what a reader sees: the token, the text around it, the metadata."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa

from saelake.store.codes.characters import CHARACTERS, Characters, shown
from saelake.store.codes.table import CodesTable
from saelake.store.documents.documents import Documents
from saelake.store.format.lists import Array
from saelake.store.query.parts.matches import TokensFound
from saelake.store.requests.columns import METADATA
from saelake.store.requests.tokens import TokensQuery
from saelake.store.requests.waited.waiting import wait
from saelake.store.snapshot.collection import Collection

HITS_PER_BATCH = 1000


def with_metadata(answer: pa.Schema, documents: Documents) -> pa.Schema:
    """The columns of an answer, of which `metadata` has those of the corpus."""
    field = pa.field(METADATA.name, documents.metadata_type)
    return answer.set(answer.get_field_index(METADATA.name), field)


def metadata_column(rows: pa.Table, documents: Documents) -> pa.StructArray:
    """The metadata of rows of the documents table, one struct a row."""
    columns = [rows[name].combine_chunks() for name in documents.metadata_columns]
    return struct_column(columns, documents.metadata_type, rows.num_rows)


def struct_column(columns: Sequence[pa.Array], kind: pa.DataType, n_rows: int) -> pa.StructArray:
    """Columns as one of structs; of none as many empty structs as there are rows."""
    if kind.num_fields == 0:
        return pa.array([{}] * n_rows, kind)
    return pa.StructArray.from_arrays(columns, fields=list(kind))


def hits(collection: Collection, matches: TokensFound, context: int) -> pa.RecordBatchReader:
    """The hits of these matches, in their order; texts are read a batch of hits at a time."""
    schema = with_metadata(TokensQuery.answer, collection.documents)

    def batches() -> Iterator[pa.RecordBatch]:
        for begin in range(0, len(matches), HITS_PER_BATCH):
            part = matches[begin : begin + HITS_PER_BATCH]
            yield _batch(collection, part, context, schema)

    return pa.RecordBatchReader.from_batches(schema, batches())


def _batch(
    collection: Collection, matches: TokensFound, context: int, schema: pa.Schema
) -> pa.RecordBatch:
    documents = collection.documents
    names = ["id", "text", *documents.metadata_columns]
    docs, row = _apart(matches.doc)
    starts, lengths = matches.start, matches.length
    unknown = np.flatnonzero(starts < 0)
    if len(unknown):
        wait()
        starts, lengths = starts.copy(), lengths.copy()
        with ThreadPoolExecutor(1) as pool:  # the two reads wait on storage side by side
            spans = pool.submit(token_spans, collection.codes, matches[unknown])
            ids, texts, *columns = documents.arrays(docs, names)
            starts[unknown], lengths[unknown] = spans.result()
    else:
        ids, texts, *columns = documents.arrays(docs, names)
    whole = texts.to_pylist()
    lengths = shown(lengths, collection.settings.unit)
    cut = [
        window(whole[r], start, length, context)
        for r, start, length in zip(row.tolist(), starts.tolist(), lengths.tolist(), strict=True)
    ]
    if len(docs) < len(row):
        places = pa.array(row)
        ids, columns = ids.take(places), [column.take(places) for column in columns]
    kind = schema.field(METADATA.name).type
    arrays = {
        "doc": pa.array(matches.doc, pa.uint64()),
        "id": ids,
        "position": pa.array(matches.position.astype(np.uint32)),
        "value": pa.array(matches.value * matches.sign, pa.float32()),
        "token": pa.array([t[s : s + n] for t, s, n in cut], pa.string()),
        "text": pa.array([t for t, _, _ in cut], pa.string()),
        "token_start": pa.array([s for _, s, _ in cut], pa.uint32()),
        "token_length": pa.array([n for _, _, n in cut], pa.uint32()),
        METADATA.name: struct_column(columns, kind, len(row)),
    }
    return pa.RecordBatch.from_arrays([arrays[name] for name in schema.names], schema=schema)


def _apart(docs: Array) -> tuple[Array, Array]:
    """Each of these documents once, and for each place the index of its document among them."""
    if len(set(docs.tolist())) == len(docs):  # as the best tokens of documents are
        return docs, np.arange(len(docs))
    return np.unique(docs, return_inverse=True)


def token_spans(codes: CodesTable, matches: TokensFound) -> tuple[Array, Array]:
    """The characters of each match's token, from the codes table: starts and lengths int64."""
    docs = np.unique(matches.doc)
    spans = Characters.of(*codes.take(docs, CHARACTERS))
    return spans.at(docs.searchsorted(matches.doc), matches.position)


def window(text: str, start: int, length: int, context: int) -> tuple[str, int, int]:
    """The text around a token, and where in it the token is: (text, start, length).

    At most `context` characters on each side, cut between words where there is a space. A token
    ends with the text at last.
    """
    length = min(length, max(len(text) - start, 0))
    begin, end = max(start - context, 0), min(start + length + context, len(text))
    if begin > 0:
        space = text.find(" ", begin - 1, start)
        begin = space + 1 if space >= 0 else begin
    if end < len(text):
        space = text.rfind(" ", start + length, end + 1)
        end = space if space >= 0 else end
    return text[begin:end], start - begin, length
