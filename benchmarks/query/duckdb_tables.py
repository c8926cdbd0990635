"""A collection as DuckDB reads it: feature-sorted Parquet files, or tables of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.query.contenders import Hit
from saelake.store.format.lists import Lists
from saelake.store.index.postings import CODES_COLUMNS, TOKEN_COLUMNS, postings_of
from saelake.store.query.parts.hits import window
from saelake.store.snapshot.collection import Collection

if TYPE_CHECKING:
    import duckdb

SCAN_ROWS = 256
MEMORY_LIMIT = "4GB"
NAMES = ("postings", "documents")
TABLES = "tables.duckdb"

POSTINGS = pa.schema(
    [
        ("feature", pa.uint32()),
        ("doc", pa.uint64()),
        ("value", pa.float32()),
        ("position", pa.uint32()),
        ("token_start", pa.uint32()),
        ("token_length", pa.uint32()),
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """How the two files are written: rows in a row group, and the documents' compression."""

    name: str
    postings_rows: int
    documents_rows: int
    documents_compression: str


# As DuckDB writes Parquet when it is told nothing.
USUAL = Layout(
    name="sorted Parquet",
    postings_rows=122_880,
    documents_rows=122_880,
    documents_compression="snappy",
)
# The fastest found; see README.md for what was tried.
TUNED = Layout(
    name="sorted Parquet, tuned",
    postings_rows=122_880,
    documents_rows=256,
    documents_compression="none",
)


def write_parquet(collection: Collection, folder: Path, layout: Layout, *, threads: int) -> None:
    """Write `documents.parquet`, and `postings.parquet` sorted by feature and falling value.

    `postings` has one row a document and feature, with the strongest token and its characters:
    nothing needs to be grouped or looked up in the codes to answer from it.
    """
    folder.mkdir(parents=True)
    table, rows = collection.documents.table, layout.documents_rows
    path, compression = folder / "documents.parquet", layout.documents_compression
    with pq.ParquetWriter(path, table.schema, compression=compression) as writer:
        for batch in table.scan(table.schema.names, batch_rows=rows):
            writer.write_batch(batch, row_group_size=rows)
    settings = {"temp_directory": str(folder), "memory_limit": MEMORY_LIMIT}
    with _connected(config={"threads": threads, **settings}) as database:
        database.register(
            "rows", pa.RecordBatchReader.from_batches(POSTINGS, _postings(collection))
        )
        database.execute(
            "COPY (SELECT * FROM rows ORDER BY feature, value DESC, doc) "
            f"TO '{folder / 'postings.parquet'}' "
            f"(FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE {layout.postings_rows})"
        )


def _connected(
    path: Path | str = ":memory:", *, config: Mapping[str, str | int]
) -> "duckdb.DuckDBPyConnection":
    """A connection; DuckDB is imported for the first, for nothing before needs it."""
    import duckdb

    return duckdb.connect(path, config=dict(config))


def _postings(collection: Collection) -> Iterator[pa.RecordBatch]:
    for batch in collection.codes.scan((*CODES_COLUMNS, *TOKEN_COLUMNS), batch_rows=SCAN_ROWS):
        assert not np.asarray(batch["part"]).any(), "documents of several parts are not exported"
        found = postings_of(batch)
        starts, lengths = (Lists.of(batch[name]).values for name in TOKEN_COLUMNS[1:])
        columns = [
            found.feature,
            found.doc,
            collection.codes.codec.decode(found.max),
            found.position,
            starts[found.token],
            lengths[found.token].astype(np.uint32),
        ]
        yield pa.RecordBatch.from_arrays([pa.array(c) for c in columns], schema=POSTINGS)


class DuckDB:
    """Answers from a relation of postings and one of documents, over one open connection."""

    def __init__(
        self,
        name: str,
        database: "duckdb.DuckDBPyConnection",
        postings: str,
        documents: str,
        metadata: Sequence[str],
    ) -> None:
        self.name = name
        self._database = database
        self._postings = postings
        self._documents = documents
        self._metadata = list(metadata)

    @classmethod
    def on_parquet(
        cls, folder: Path, layout: Layout, metadata: Sequence[str], *, threads: int
    ) -> "DuckDB":
        """On the files that `write_parquet` wrote."""
        database = _connected(config={"threads": threads})
        database.execute("SET parquet_metadata_cache = true")
        postings, documents = (f"read_parquet('{folder / name}.parquet')" for name in NAMES)
        return cls(f"DuckDB on {layout.name}", database, postings, documents, metadata)

    @classmethod
    def on_tables(cls, folder: Path, metadata: Sequence[str], *, threads: int) -> "DuckDB":
        """On tables of a DuckDB file with the same rows in the same order, made if missing.

        Once they are there, the Parquet files are not needed.
        """
        database = _connected(folder / TABLES, config={"threads": threads})
        there = {name for name, *_ in database.execute("SHOW TABLES").fetchall()}
        for name in set(NAMES) - there:
            source = f"read_parquet('{folder / name}.parquet')"
            database.execute(f"CREATE TABLE {name} AS SELECT * FROM {source}")
        return cls("DuckDB's own tables", database, "postings", "documents", metadata)

    def close(self) -> None:
        """Close the connection, so that all is in the file."""
        self._database.close()

    def top(self, feature: int, k: int, context: int, where: str | None) -> list[Hit]:
        """The k strongest documents, ties by document, with the columns of saelake's hits."""
        keep = f"AND doc IN (SELECT doc FROM {self._documents} WHERE {where})" if where else ""
        rows = self._database.execute(
            f"""
            WITH best AS (
                SELECT doc, position, value, token_start, token_length
                FROM {self._postings} WHERE feature = {feature} {keep}
                ORDER BY value DESC, doc LIMIT {k}
            )
            SELECT best.*, id, text, {", ".join(self._metadata)}
            FROM best JOIN {self._documents} USING (doc) ORDER BY value DESC, doc
            """
        ).fetchall()
        hits = []
        for doc, position, value, token_start, token_length, name, whole, *metadata in rows:
            text, start, length = window(whole, token_start, token_length, context)
            hits.append(
                {
                    "doc": doc,
                    "id": name,
                    "position": position,
                    "value": value,
                    "token": text[start : start + length],
                    "text": text,
                    "token_start": start,
                    "token_length": length,
                    "metadata": dict(zip(self._metadata, metadata, strict=True)),
                }
            )
        return hits
