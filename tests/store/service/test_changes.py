"""What is sent to a server to change a lake may be anything, and it stays as it is."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any

import grpc
import numpy as np
import pyarrow as pa
import pytest

import saelake
from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.errors import InvalidInput
from saelake.store.growth import told
from saelake.store.reports import CompactReport
from saelake.store.requests.commands.documents import FILE, ROW
from saelake.store.requests.commands.upkeep import CompactCommand
from saelake.store.service.changes import _path_to, _spool, allowed_rights
from saelake.store.service.limits import Limits
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.wire.commands import input_type, output_type, path_of
from tests.lakes import make_lake
from tests.served import ALL

MIB = 1 << 20
BEGIN = pb.ImportPiece(begin=pb.ImportRequest(corpus="new", source="rows"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BackgroundServer]:
    made = make_lake(tmp_path_factory.mktemp("changes") / "lake", n_documents=10, seed=5)
    settings = ServerSettings(
        uri=made.lake.uri,
        address=Address(port=0),
        allowed=ALL,
        limits=Limits(import_bytes=MIB),
    )
    with BackgroundServer(settings) as running:
        yield running


@pytest.fixture(scope="module")
def channel(server: BackgroundServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(str(server.address)) as opened:
        yield opened


def send(channel: grpc.Channel, method: str, messages: Iterable[Any]) -> Any:
    call = channel.stream_unary(
        path_of(method),
        request_serializer=input_type(method).SerializeToString,
        response_deserializer=output_type(method).FromString,
    )
    return call(iter(messages), timeout=60)


def stream(columns: dict[str, Any], compression: str | None = None) -> bytes:
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def rows(**more: Any) -> dict[str, Any]:
    return {
        "id": ["a", "b"],
        "text": ["w1", "w2"],
        FILE: ["f", "f"],
        ROW: pa.array([0, 1], pa.uint64()),
        **more,
    }


def status_of(channel: grpc.Channel, method: str, messages: list[Any]) -> grpc.StatusCode:
    with pytest.raises(grpc.RpcError) as raised:
        send(channel, method, messages)
    code: grpc.StatusCode = raised.value.code()
    return code


def broken_offsets() -> bytes:
    """A stream whose texts begin and end beyond their bytes."""
    good = stream(rows())
    offsets = np.array([0, 2, 4], np.int32).tobytes()
    assert offsets in good
    return good.replace(offsets, np.array([0, 1 << 30, 2], np.int32).tobytes())


MALFORMED = {
    "no stream": b"nothing of the kind",
    "nothing": b"",
    "half a stream": stream(rows())[:-200],
    "offsets out of bounds": broken_offsets(),
    "compressed": stream(rows(), "zstd"),
    "compressed by another": stream(rows(), "lz4"),
    "a dictionary": stream(rows(x=pa.array(["a", "b"]).dictionary_encode())),
    "no ids": stream({k: v for k, v in rows().items() if k != "id"}),
    "ids that are numbers": stream(rows(id=[1, 2])),
    "a column of the corpus's own": stream(rows(doc=[1, 2])),
    "a type that no corpus has": stream(
        rows(x=pa.array([(1, 2, 3), (4, 5, 6)], pa.month_day_nano_interval()))
    ),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_what_is_no_stream_of_documents_is_refused(
    server: BackgroundServer, channel: grpc.Channel, name: str
) -> None:
    piece = pb.ImportPiece(arrow=MALFORMED[name])
    assert status_of(channel, "Import", [BEGIN, piece]) == grpc.StatusCode.INVALID_ARGUMENT
    with saelake.connect(server.target) as lake:
        assert [row.corpus for row in lake.info()] == ["made"]


def test_a_stream_that_is_right_is_imported(channel: grpc.Channel) -> None:
    begin = pb.ImportPiece(begin=pb.ImportRequest(corpus="right", source="rows"))
    data = stream(rows(n=[1, 2]))
    report = send(
        channel,
        "Import",
        [begin, *(pb.ImportPiece(arrow=data[i : i + 7]) for i in range(0, len(data), 7))],
    )
    assert (report.n_documents, report.n_skipped) == (2, 0)


def test_pieces_come_in_order(channel: grpc.Channel) -> None:
    data = pb.ImportPiece(arrow=stream(rows()))
    for messages in ([], [data], [data, BEGIN], [BEGIN, BEGIN], [pb.ImportPiece()]):
        assert status_of(channel, "Import", messages) == grpc.StatusCode.INVALID_ARGUMENT


def test_more_than_a_server_takes_is_refused(channel: grpc.Channel) -> None:
    many = [pb.ImportPiece(arrow=b"x" * (MIB // 2)) for _ in range(3)]
    assert status_of(channel, "Import", [BEGIN, *many]) == grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_corpus_cannot_be_called_anything(channel: grpc.Channel) -> None:
    data = pb.ImportPiece(arrow=stream(rows()))
    for corpus in ("", "../x", "a--b", "dictionaries", "a/b", "x" * 1000):
        begin = pb.ImportPiece(begin=pb.ImportRequest(corpus=corpus, source="rows", key="k"))
        assert status_of(channel, "Import", [begin, data]) == grpc.StatusCode.INVALID_ARGUMENT


def test_labels_that_are_none_are_refused(server: BackgroundServer, channel: grpc.Channel) -> None:
    begin = pb.ImportLabelsPiece(begin=pb.ImportLabelsRequest(dictionary="random"))
    good: dict[str, Any] = {"feature": [3], "label": ["x"], "explainer": ["me"]}
    for columns in (
        {**good, "explainer": ["auto:made"]},
        {**good, "label": pa.array([None], pa.string())},
        {**good, "label": ["x" * 5000]},
        {**good, "feature": ["x"]},
        {"feature": [3]},
    ):
        piece = pb.ImportLabelsPiece(arrow=stream(columns))
        code = status_of(channel, "ImportLabels", [begin, piece])
        assert code == grpc.StatusCode.INVALID_ARGUMENT
    piece = pb.ImportLabelsPiece(arrow=stream(good))
    assert send(channel, "ImportLabels", [begin, piece]).n_labels == 1
    with saelake.connect(server.target) as lake:
        assert [row.label for row in lake["made/random"].labels(k=None)] == ["x"]


@pytest.mark.parametrize("leave_after_s", [0.0, 0.02, 0.1])
def test_an_import_is_done_once_when_its_caller_leaves_and_sends_it_again(
    server: BackgroundServer, channel: grpc.Channel, leave_after_s: float
) -> None:
    corpus, n = f"left{leave_after_s}", 5000
    ids = [f"{i}" for i in range(n)]
    columns = {"id": ids, "text": ids, FILE: ["f"] * n, ROW: pa.array(range(n), pa.uint64())}
    begin = pb.ImportPiece(begin=pb.ImportRequest(corpus=corpus, source="rows", key="once"))
    messages = [begin, pb.ImportPiece(arrow=stream(columns))]
    call = channel.stream_unary(
        path_of("Import"),
        request_serializer=input_type("Import").SerializeToString,
        response_deserializer=output_type("Import").FromString,
    ).future(iter(messages))
    time.sleep(leave_after_s)
    call.cancel()
    reports = [send(channel, "Import", messages) for _ in range(2)]
    assert [report.n_documents for report in reports] == [n, n]
    with saelake.connect(server.target) as lake:
        (row,) = (row for row in lake.info() if row.corpus == corpus)
    assert row.n_documents == n


def test_a_piece_that_is_no_message_is_refused(channel: grpc.Channel) -> None:
    garbage = b"\xff\xff\xff"
    call = channel.stream_unary(path_of("Import"))
    for pieces in ([garbage], [BEGIN.SerializeToString(), garbage]):
        with pytest.raises(grpc.RpcError) as raised:
            call(iter(pieces), timeout=60)
        assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
        assert "lake.proto" in raised.value.details()


@contextmanager
def limited(tmp_path: Path, **limits: Any) -> Iterator[tuple[BackgroundServer, grpc.Channel]]:
    made = make_lake(tmp_path / "lake", n_documents=10, seed=5)
    settings = ServerSettings(
        uri=made.lake.uri, address=Address(port=0), allowed=ALL, limits=Limits(**limits)
    )
    with (
        BackgroundServer(settings) as running,
        grpc.insecure_channel(str(running.address)) as channel,
    ):
        yield running, channel


def slowly(pause: Callable[[], object]) -> Iterator[Any]:
    yield BEGIN
    pause()
    yield pb.ImportPiece(arrow=stream(rows()))


def test_an_upload_that_stands_still_ends_and_gives_its_place_back(tmp_path: Path) -> None:
    goes_on = Event()
    with limited(tmp_path, changes=1, idle_s=0.5) as (_, channel), ThreadPoolExecutor() as pool:
        waits = pool.submit(send, channel, "Import", slowly(goes_on.wait))
        assert send(channel, "Import", [BEGIN, pb.ImportPiece(arrow=stream(rows()))]).n_documents
        with pytest.raises(grpc.RpcError, match="Nothing was sent") as raised:
            waits.result()
        goes_on.set()
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_an_upload_that_trickles_ends(tmp_path: Path) -> None:
    def trickle() -> Iterator[Any]:
        yield BEGIN
        for byte in stream(rows()):
            time.sleep(0.1)
            yield pb.ImportPiece(arrow=bytes([byte]))

    with (
        limited(tmp_path, upload_s=0.5) as (_, channel),
        pytest.raises(grpc.RpcError, match="Not all was sent") as raised,
    ):
        send(channel, "Import", trickle())
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_an_upload_under_way_goes_on_when_the_server_stops(tmp_path: Path) -> None:
    goes_on = Event()
    with limited(tmp_path) as (server, channel), ThreadPoolExecutor() as pool:
        sent = pool.submit(send, channel, "Import", slowly(goes_on.wait))
        time.sleep(0.5)
        stopping = pool.submit(server.stop, 30.0)
        time.sleep(0.5)
        goes_on.set()
        assert sent.result().n_documents == 2
        stopping.result()


def test_who_leaves_has_his_place_until_what_he_sent_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on, begun = Event(), []

    def compacts(*_: object) -> CompactReport:
        begun.append(1)
        goes_on.wait()
        return CompactReport(tables=())

    monkeypatch.setitem(told._VERBS, CompactCommand, compacts)
    message = pb.CompactRequest(target="made")
    limits = {"changes": 2, "waiting": 1, "wait_s": 0.5}
    with limited(tmp_path, **limits) as (_, channel):
        call = channel.unary_unary(
            path_of("Compact"),
            request_serializer=input_type("Compact").SerializeToString,
            response_deserializer=output_type("Compact").FromString,
        )
        left = call.future(message)
        time.sleep(0.5)
        left.cancel()
        for _ in range(3):
            with pytest.raises(grpc.RpcError) as raised:
                call(message, timeout=60)
            assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert len(begun) == 1
        goes_on.set()
        call(message, timeout=60)
        assert len(begun) == 2


def test_only_known_rights_are_allowed() -> None:
    assert allowed_rights(["label", "admin"]) == {"label", "admin"}
    for name in ("read", "everything", ""):
        with pytest.raises(InvalidInput, match="label, encode, admin"):
            allowed_rights([name])


def test_what_is_sent_lies_in_a_file_without_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with _spool() as file:
        file.write(b"rows")
        file.flush()
        assert _path_to(file).read_bytes() == b"rows"
        assert list(tmp_path.iterdir()) == ([] if sys.platform == "linux" else [_path_to(file)])


def test_times_and_tags_that_cannot_be_are_the_caller_s_mistake(channel: grpc.Channel) -> None:
    sent = {
        "Cleanup": pb.CleanupRequest(older_than_s=1e300),
        "Tag": pb.TagRequest(name="x" * 300),
    }
    for method, message in sent.items():
        call = channel.unary_unary(
            path_of(method),
            request_serializer=input_type(method).SerializeToString,
            response_deserializer=output_type(method).FromString,
        )
        with pytest.raises(grpc.RpcError) as refused:
            call(message, timeout=20)
        assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def piece(rows: pa.RecordBatch) -> pb.ImportPiece:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write(rows)
    return pb.ImportPiece(arrow=sink.getvalue().to_pybytes())


def test_a_row_that_no_file_has_is_the_caller_s_mistake(channel: grpc.Channel) -> None:
    own = [("id", pa.string()), ("text", pa.string()), (FILE, pa.string()), (ROW, pa.uint64())]
    number = pa.array([2**64 - 1], pa.uint64())
    rows = pa.record_batch([[None], ["t"], ["f"], number], schema=pa.schema(own))
    with pytest.raises(grpc.RpcError) as refused:
        send(channel, "Import", [BEGIN, piece(rows)])
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "a number that no file has" in refused.value.details()


@pytest.mark.parametrize("name", ["a.b", "_rowid", "", "a\0b"])
def test_a_column_that_cannot_be_called_so_is_named(channel: grpc.Channel, name: str) -> None:
    own = [("id", pa.string()), ("text", pa.string()), (FILE, pa.string()), (ROW, pa.uint64())]
    schema = pa.schema([*own, (name, pa.string())])
    rows = pa.record_batch([["i"], ["t"], ["f"], pa.array([0], pa.uint64()), ["x"]], schema=schema)
    with pytest.raises(grpc.RpcError) as refused:
        send(channel, "Import", [BEGIN, piece(rows)])
    assert refused.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert f"has a column {name!r} that cannot be called so" in refused.value.details()
