"""What columns of documents may be called."""

from collections.abc import Iterator

import pyarrow as pa
import pytest

from saelake.store.documents.fitting import check_column_names
from saelake.store.documents.imports import SourceBatch, import_documents
from saelake.store.errors import CorpusError
from saelake.store.lake.lake import Lake


class Named:
    """One document with a column of this field."""

    name = "made"
    generated_ids = False

    def __init__(self, field: pa.Field) -> None:
        self.schema = pa.schema([field])

    def batches(self) -> Iterator[SourceBatch]:
        own = [pa.field("id", pa.string()), pa.field("text", pa.string())]
        columns = [pa.array(["d"]), pa.array(["t"]), pa.nulls(1, self.schema.field(0).type)]
        rows = pa.record_batch(columns, schema=pa.schema([*own, *self.schema]))
        yield SourceBatch(file="made", first_row=0, rows=rows)


def within(name: str) -> pa.Field:
    return pa.field("meta", pa.list_(pa.struct([(name, pa.string())])))


@pytest.mark.parametrize("name", ["a.b", "_rowid", "", "`; drop", "a\0b"])
def test_a_name_that_no_column_can_have_is_said(name: str, tmp_path: object) -> None:
    lake, field = Lake(str(tmp_path)), pa.field(name, pa.string())
    with pytest.raises(CorpusError) as refused:
        import_documents(lake, "made", Named(field))
    assert f"made has a column {name!r} that cannot be called so" in refused.value.message


@pytest.mark.parametrize("name", ["a b", "\x1b[31m", "A", "_score", 'a"b', "日本"])
def test_other_names_are_taken(name: str, tmp_path: object) -> None:
    lake, field = Lake(str(tmp_path)), pa.field(name, pa.string())
    assert import_documents(lake, "made", Named(field)).n_documents == 1


def test_fields_within_end_where_their_names_do() -> None:
    check_column_names("made", pa.schema([within("a.b")]))
    with pytest.raises(CorpusError, match="a column 'meta' that"):
        check_column_names("made", pa.schema([within("a\0b")]))


def test_a_name_that_is_not_utf8_is_said_by_its_place() -> None:
    sent = pa.schema([("id", pa.string()), ("xyz", pa.string())]).serialize().to_pybytes()
    schema = pa.ipc.read_schema(pa.py_buffer(sent.replace(b"xyz", b"\xf0yz")))
    with pytest.raises(CorpusError, match="made has a column number 2 that cannot be called so"):
        check_column_names("made", schema)
