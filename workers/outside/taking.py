"""Reading a source of vectors once, whole: checked, and spooled with the documents beside them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

from saelake.store.errors import CorpusError
from saelake.store.format.lists import Array
from saelake.store.format.schema import Unit
from saelake.store.format.values import ValueCodec
from saelake.workers.corpus.source import CorpusSource
from saelake.workers.corpus.spooled import SpooledBatches
from saelake.workers.corpus.tables import RowsPart
from saelake.workers.outside.columns import IDS, AskedColumns, text_column
from saelake.workers.outside.keys import Keys, is_text
from saelake.workers.outside.rows import VectorRows, VectorSource
from saelake.workers.outside.spool import ClosedSpool, VectorSpool, heads_of

ID_TEXTS = "text"  # the column of ids that are texts, too
ID = pa.schema([pa.field("id", pa.string())])


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenVectors:
    """A source, read: its runs, the id of each, its keys, and the documents that came with it.

    `documents` is None where the rows have no texts; then `left` are the columns besides ids and
    vectors, which are not imported.
    """

    spool: ClosedSpool
    keys: Keys
    documents: CorpusSource | None
    left: Sequence[str]
    _ids: SpooledBatches

    def ids(self) -> Iterator[list[str]]:
        """The ids of the runs, in order, some at a time."""
        for batch in self._ids.batches():
            yield batch["id"].to_pylist()


def taken(
    source: VectorSource,
    *,
    codec: ValueCodec,
    signed: bool,
    unit: Unit,
    asked: AskedColumns,
    on_progress: Callable[[int], object],
) -> TakenVectors:
    """Read a source to its end. Raises `CorpusError` for the first thing that is wrong with it."""
    with VectorSpool() as spool:
        taking = _Taking(spool=spool, unit=unit, asked=asked)
        for rows in source.rows(taking.keys, unit):
            taking.add(rows, rows.checked(taking.keys, signed=signed, largest=codec.largest))
            on_progress(taking.n_rows)
        if not taking.n_rows:
            raise CorpusError(f"{source.name} has no rows, so there is nothing to import.")
        closed = spool.close()
    return taking.taken(source.name, closed)


@dataclass(slots=True, kw_only=True)
class _Taking:
    """What was read so far of a source."""

    spool: VectorSpool
    unit: Unit
    asked: AskedColumns
    keys: Keys = field(default_factory=Keys)
    ids: SpooledBatches = field(default_factory=SpooledBatches)
    documents: SpooledBatches = field(default_factory=SpooledBatches)
    names: dict[str, None] = field(default_factory=dict)
    left: dict[str, None] = field(default_factory=dict)
    n_rows: int = 0

    def add(self, rows: VectorRows, checked: VectorRows) -> None:
        """Take in rows, which were checked."""
        heads = np.arange(len(rows)) if self.unit == "document" else heads_of(rows.ids)
        self.spool.add(checked, heads)
        self.ids.add(_ids(rows, heads))
        self.left.update(dict.fromkeys(rows.left))
        if rows.documents is not None:
            beside = _with_texts(rows.documents, self.asked)
            self.documents.add(beside)
            self.names.update(dict.fromkeys(beside.schema.names))
        self.n_rows += len(rows)

    def taken(self, name: str, spool: ClosedSpool) -> TakenVectors:
        """All of it."""
        documents = _documents(name, self.documents, list(self.names), self.asked)
        left = [*self.left, *(() if documents else _others(self.names, self.asked))]
        return TakenVectors(
            spool=spool, keys=self.keys, documents=documents, left=left, _ids=self.ids
        )


def _ids(rows: VectorRows, heads: Array) -> pa.RecordBatch:
    named = [rows.ids[i] for i in heads.tolist()]
    try:
        return pa.record_batch([pa.array(named, pa.string())], schema=ID)
    except UnicodeEncodeError as error:
        at = next(i for i, own in enumerate(rows.ids) if not is_text(own))
        raise CorpusError(
            f"{rows.where(at)}: the id is no text: it has half a character."
        ) from error


def _with_texts(rows: pa.RecordBatch, asked: AskedColumns) -> pa.RecordBatch:
    """The documents' columns; where ids are asked for as texts, with these beside themselves."""
    id_column = asked.id or next((n for n in IDS if n in rows.schema.names), None)
    if asked.text is None or asked.text != id_column or ID_TEXTS in rows.schema.names:
        return rows
    return rows.append_column(ID_TEXTS, rows[id_column])


def _documents(
    name: str, rest: SpooledBatches, names: Sequence[str], asked: AskedColumns
) -> CorpusSource | None:
    if not names:
        return None
    own = asked.id or next(n for n in IDS if n in names)
    text = ID_TEXTS if asked.text == own else text_column(names, asked.text, name)
    if text is None:
        return None
    return CorpusSource(name, [RowsPart(name, rest)], text_column=text, id_column=own)


def _others(names: dict[str, None], asked: AskedColumns) -> Sequence[str]:
    return [name for name in names if name not in (asked.id, *IDS)]
