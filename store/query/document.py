"""One document with its codes."""

import numpy as np
import pyarrow as pa

from saelake.store.codes.characters import CHARACTERS, within
from saelake.store.codes.table import CODE_COLUMNS, CodeRow
from saelake.store.errors import NotFound
from saelake.store.format.lists import Array, Lists, concatenate
from saelake.store.format.poles import Poles
from saelake.store.query.parts.hits import metadata_column, with_metadata
from saelake.store.requests.document import DocumentQuery
from saelake.store.snapshot.session import Session

_TOKENS = ["token_ids", "token_starts", "token_lengths", "error"]


def document(session: Session, query: DocumentQuery) -> pa.RecordBatch:
    """The document, with the activations of the features asked for.

    Raises `NotFound` for a document that does not exist or is not encoded, or a feature.
    """
    collection = session.collection(query.collection)
    doc = (query.doc or 0) if query.id is None else collection.documents.find(query.id)
    collection.documents.check([doc])
    collection.check_features(query.features or ())
    docs = np.array([doc], np.uint64)
    columns = ["id", "text", *collection.documents.metadata_columns]
    row = collection.documents.take(docs, columns)
    tokens = collection.codes.take(docs, [*_TOKENS, *CODE_COLUMNS])[1]
    if tokens.num_rows == 0:
        raise NotFound(
            f"Document {row['id'][0]} is not encoded in {collection.name} yet: run `saelake "
            f"encode` again.",
            doc=doc,
        )
    schema = with_metadata(DocumentQuery.answer, collection.documents)
    starts, lengths = (_joined(tokens[name]) for name in CHARACTERS)
    codes = _grouped(list(collection.codes.code_rows(tokens)), query.features)
    _put_signs(codes, collection.settings.poles)
    columns_of = {
        "doc": docs,
        "id": row["id"].combine_chunks(),
        "text": row["text"].combine_chunks(),
        "metadata": metadata_column(row, collection.documents),
        "error": tokens["error"].combine_chunks()[:1],
        "token_ids": [_joined(tokens["token_ids"])],
        "token_starts": [starts],
        "token_lengths": [within(starts, lengths, len(row["text"][0].as_py()))],
        **{name: [values] for name, values in codes.items()},
    }
    arrays = [
        value if isinstance(value, pa.Array) else pa.array(value, schema.field(name).type)
        for name, value in ((name, columns_of[name]) for name in schema.names)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _joined(column: pa.ChunkedArray) -> Array:
    """The lists of all parts, end to end."""
    return Lists.of(column).values


def _put_signs(codes: dict[str, Array], poles: Poles) -> None:
    """Give the values of negative poles their sign."""
    signs = poles.signs(codes["features"])
    codes["max"] = codes["max"] * signs
    codes["values"] = codes["values"] * np.repeat(signs, codes["counts"])


def _grouped(rows: list[CodeRow], only: tuple[int, ...] | None) -> dict[str, Array]:
    """The codes of all parts, grouped by pole; positions count the document's tokens."""
    numbers = np.unique(concatenate((row.features for row in rows), np.uint32))
    if only is not None:
        numbers = np.intersect1d(numbers, np.array(only, np.uint32))
    found = [[row.occurrences(int(number)) for row in rows] for number in numbers]
    positions = [np.concatenate([p for p, _ in parts]) for parts in found]
    values = [np.concatenate([v for _, v in parts]) for parts in found]
    return {
        "features": numbers,
        "max": np.array([v.max() for v in values], np.float32),
        "counts": np.array([len(p) for p in positions], np.uint32),
        "positions": concatenate(positions, np.int64),
        "values": concatenate(values, np.float32),
    }
