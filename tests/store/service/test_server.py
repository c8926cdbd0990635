"""The server: who may ask, what is too much, and what happens when something breaks."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

import saelake
from saelake.lake import Lake
from saelake.store import errors
from saelake.store.engine import Engine
from saelake.store.errors import (
    AccessDenied,
    DeadlineExceeded,
    InvalidInput,
    LimitExceeded,
    NotFound,
    SaelakeError,
    Unavailable,
)
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.request import Request
from saelake.store.requests.tokens import TokensQuery
from saelake.store.service.access.protection import Access
from saelake.store.service.limits import Limits
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.wire.hosts import is_loopback
from saelake.store.wire.requests import SERVICE
from tests.lakes import MadeLake, make_lake
from tests.store.service.answering import answer_with
from tests.store.service.certificates import Pair, pair_of

NAME = "made/random"
TOKEN = "a token of enough characters"
QUESTIONS: list[Callable[[Lake], object]] = [
    lambda lake: lake.info(),
    lambda lake: lake.verify(),
    lambda lake: lake[NAME].tokens(1),
    lambda lake: lake[NAME].features(),
    lambda lake: lake[NAME].document("d1"),
    lambda lake: lake[NAME].codes(),
    lambda lake: lake[NAME].embeddings(),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("served") / "lake", n_documents=60)


def server(
    made: MadeLake,
    *,
    limits: Limits | None = None,
    token: str | None = None,
    certificate: Path | None = None,
    key: Path | None = None,
    client_ca: Path | None = None,
) -> BackgroundServer:
    return BackgroundServer(
        ServerSettings(
            uri=made.lake.uri,
            address=Address(port=0),
            access=Access(token=token, certificate=certificate, key=key, client_ca=client_ca),
            limits=limits or Limits(),
        )
    )


def test_a_token_is_needed_when_there_is_one(made: MadeLake) -> None:
    with server(made, token=TOKEN) as running:
        assert saelake.connect(running.target, token=TOKEN).collections() == [NAME]
        for token in (None, "wrong", TOKEN + "x", TOKEN[:-1], TOKEN.upper()):
            with pytest.raises(AccessDenied, match="token"):
                saelake.connect(running.target, token=token).info()
        for ask in QUESTIONS:
            with pytest.raises(AccessDenied):
                ask(saelake.connect(running.target, token="wrong"))
        with grpc.insecure_channel(str(running.address)) as channel:
            check = health_pb2_grpc.HealthStub(channel).Check
            assert check(health_pb2.HealthCheckRequest()).status == 1
            ask = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
            with pytest.raises(grpc.RpcError) as refused:
                list(ask(iter([reflection_pb2.ServerReflectionRequest(list_services="")])))
            assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_health_and_reflection_know_the_service(made: MadeLake) -> None:
    with server(made) as running, grpc.insecure_channel(str(running.address)) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        for service in ("", "saelake.v1.Lake"):
            assert check(health_pb2.HealthCheckRequest(service=service)).status == 1
        ask = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        (answer,) = ask(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        listed = {service.name for service in answer.list_services_response.service}
        assert {"saelake.v1.Lake", "grpc.health.v1.Health"} <= listed


def test_reflection_is_known_by_both_of_its_names(made: MadeLake) -> None:
    with server(made) as running, grpc.insecure_channel(str(running.address)) as channel:
        for name in ("v1", "v1alpha"):
            ask = channel.stream_stream(
                f"/grpc.reflection.{name}.ServerReflection/ServerReflectionInfo",
                request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
            )
            wanted = reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE)
            (answer,) = ask(iter([wanted]))
            assert answer.file_descriptor_response.file_descriptor_proto


def test_tls_and_client_certificates(made: MadeLake, certificates: Path) -> None:
    pair = pair_of(certificates, "server")
    ca = certificates / "ca.pem"
    with server(made, **pair) as running:
        assert running.target.startswith("grpcs://")
        assert saelake.connect(running.target, ca=ca).collections() == [NAME]
        with pytest.raises(Unavailable):
            saelake.connect(running.target, timeout_s=5).info()
        with pytest.raises(Unavailable, match="grpcs://"):
            saelake.connect(f"grpc://{running.address}", timeout_s=5).info()
    with server(made, **pair, client_ca=ca) as running:
        with pytest.raises(Unavailable):
            saelake.connect(running.target, ca=ca, timeout_s=5).info()
        mine = pair_of(certificates, "client")
        assert saelake.connect(running.target, ca=ca, **mine).collections() == [NAME]


def test_a_stranger_s_certificate_is_refused(made: MadeLake, certificates: Path) -> None:
    """One that the server's own authority did not sign, though it is a good one otherwise."""
    pair = pair_of(certificates, "server")
    stranger = pair_of(certificates, "other")
    ca = certificates / "ca.pem"
    with server(made, **pair, client_ca=ca) as running, pytest.raises(Unavailable):
        saelake.connect(running.target, ca=ca, timeout_s=5, **stranger).info()
    with server(made, **pair) as running, pytest.raises(Unavailable):
        saelake.connect(running.target, ca=certificates / "other.pem", timeout_s=5).info()


def test_files_that_are_no_certificates_are_not_served(made: MadeLake, certificates: Path) -> None:
    good = pair_of(certificates, "server")
    text = certificates / "names"
    wrongs: list[tuple[Pair, Path | None]] = [
        ({"certificate": text, "key": text}, None),
        ({**good, "key": certificates / "client.key"}, None),
        (good, text),
    ]
    for wrong, client_ca in wrongs:
        with pytest.raises(InvalidInput, match="PEM"):
            server(made, **wrong, client_ca=client_ca).__enter__()
    lost: Pair = {**good, "key": certificates / "none.key"}
    with pytest.raises(NotFound, match="Cannot read"):
        server(made, **lost).__enter__()


@pytest.mark.parametrize("host", ["0.0.0.0", "10.0.0.1", "::", "example.com"])
def test_other_machines_are_let_in_only_with_protection(host: str) -> None:
    pair = Pair(certificate=Path("c.pem"), key=Path("k.pem"))
    for weak in (Access(), Access(token=TOKEN), Access(**pair)):
        with pytest.raises(InvalidInput, match="--client-ca"):
            weak.check_host(host)
    Access(token=TOKEN, **pair).check_host(host)
    Access(**pair, client_ca=Path("ca.pem")).check_host(host)
    Access(insecure=True).check_host(host)
    assert not is_loopback(host)


def test_this_machine_needs_none() -> None:
    for host in ("127.0.0.1", "localhost", "::1", "127.8.9.1"):
        Access().check_host(host)


@pytest.mark.parametrize(
    ("access", "said"),
    [
        ({"token": "short"}, "at least 16"),
        ({"token": "enough characters, but ü"}, "printable ASCII"),
        ({"certificate": Path("c.pem")}, "TLS needs both a certificate and its key"),
        ({"key": Path("k.pem")}, "TLS needs both a certificate and its key"),
        ({"client_ca": Path("ca.pem")}, "mTLS needs the server's own certificate"),
    ],
)
def test_protection_that_protects_nothing_is_refused(access: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        Access(**access)


def test_an_answer_that_is_too_large_is_refused(made: MadeLake) -> None:
    with server(made, limits=Limits(answer_bytes=4000)) as running:
        collection = saelake.connect(running.target)[NAME]
        assert len(collection.tokens(3, k=2)) == 2
        with pytest.raises(LimitExceeded, match="4000 bytes"):
            collection.tokens(3, k=None, per="token")
        assert collection.codes().read_all().nbytes > 4000


def test_a_request_that_is_too_large_is_refused(made: MadeLake) -> None:
    with server(made, limits=Limits(request_bytes=2000)) as running:
        collection = saelake.connect(running.target)[NAME]
        with pytest.raises(LimitExceeded):
            collection.tokens(3, where=" or ".join(["label = 'pos'"] * 500))


def slow_tokens(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    ask = Engine.ask

    def slow(engine: Engine, request: Request) -> pa.RecordBatchReader:
        time.sleep(seconds)
        return ask(engine, request)

    answer_with(monkeypatch, TokensQuery, slow)


def test_slow_answers_end_at_both_deadlines(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_tokens(monkeypatch, 0.6)
    said = r"0\.1 s that this server allows"
    limits = Limits(answer_s=0.1)
    with server(made, limits=limits) as running, pytest.raises(DeadlineExceeded, match=said):
        saelake.connect(running.target)[NAME].tokens(3)
    with server(made) as running, pytest.raises(DeadlineExceeded, match="timeout_s"):
        saelake.connect(running.target, timeout_s=0.1)[NAME].tokens(3)


def test_too_many_questions_at_once_are_refused(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_tokens(monkeypatch, 0.5)
    with server(made, limits=Limits(answers=1, wait_s=0.1)) as running:
        lake = saelake.connect(running.target, retries=0)
        first = threading.Thread(target=lambda: lake[NAME].tokens(3))
        first.start()
        time.sleep(0.2)
        with pytest.raises(LimitExceeded):
            lake[NAME].tokens(3)
        first.join()
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:  # until the server has noticed that the first is over
            with suppress(LimitExceeded):
                assert lake[NAME].tokens(3)
                return
        pytest.fail("the server never took another question")


def test_many_clients_get_their_own_answers(made: MadeLake) -> None:
    expected = {f: saelake.connect(made.lake.uri)[NAME].tokens(f) for f in range(12)}
    wrong: list[int] = []
    with server(made) as running:

        def ask(seed: int) -> None:
            collection = saelake.connect(running.target)[NAME]
            for step in range(12):
                feature = (seed + step) % 12
                if collection.tokens(feature) != expected[feature]:
                    wrong.append(feature)

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


ERRORS = [
    found
    for found in vars(errors).values()
    if isinstance(found, type) and issubclass(found, SaelakeError)
]


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_every_error_arrives_as_it_was_raised(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch, kind: type[SaelakeError]
) -> None:
    def failing(*_: object) -> pa.RecordBatchReader:
        raise kind("What happened, and what to do: é.", feature=3, where="x = 'y'")

    answer_with(monkeypatch, InfoQuery, failing)
    with server(made) as running, pytest.raises(kind) as caught:
        saelake.connect(running.target).info()
    assert type(caught.value) is kind
    assert caught.value.message == "What happened, and what to do: é."
    assert caught.value.data == {"feature": "3", "where": "x = 'y'"}


def test_a_defect_is_logged_and_not_told(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def failing(*_: object) -> pa.RecordBatchReader:
        raise ZeroDivisionError("a secret of the server")

    answer_with(monkeypatch, InfoQuery, failing)
    said = pytest.raises(SaelakeError, match="its log says more")
    with caplog.at_level(logging.ERROR), server(made) as running, said as caught:
        saelake.connect(running.target).info()
    assert "secret" not in str(caught.value)
    assert "a secret of the server" in caplog.text


def test_an_error_in_the_middle_of_an_answer_arrives(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> pa.RecordBatchReader:
        def batches() -> Iterator[pa.RecordBatch]:
            for _ in range(3):
                yield pa.record_batch({"n": list(range(100_000))})
            raise NotFound("a file went away", file="x")

        return pa.RecordBatchReader.from_batches(pa.schema([("n", pa.int64())]), batches())

    answer_with(monkeypatch, CodesQuery, failing)
    with server(made) as running:
        rows = saelake.connect(running.target)[NAME].codes()
        with pytest.raises(SaelakeError, match="a file went away"):
            rows.read_all()


def test_a_server_that_stops_is_unavailable(made: MadeLake) -> None:
    with server(made) as running:
        lake = saelake.connect(running.target, timeout_s=5)
        assert lake.collections() == [NAME]
    with pytest.raises(Unavailable, match="does not answer"):
        lake.info()


def test_two_servers_do_not_share_a_port(made: MadeLake) -> None:
    with server(made) as running:
        taken = ServerSettings(uri=made.lake.uri, address=running.address)
        with pytest.raises(InvalidInput, match="Choose another --port"):
            BackgroundServer(taken).__enter__()


def test_other_machines_are_not_served_without_protection(made: MadeLake) -> None:
    open_to_all = ServerSettings(uri=made.lake.uri, address=Address(host="0.0.0.0", port=0))
    with pytest.raises(InvalidInput, match="lets other machines in"):
        BackgroundServer(open_to_all).__enter__()


@pytest.mark.parametrize("port", [-1, 65_536, 70_000])
def test_a_port_that_does_not_exist_is_refused(port: int) -> None:
    with pytest.raises(InvalidInput, match=f"not {port}"):
        Address(port=port)


def test_a_host_that_is_not_this_machine_s_is_refused(made: MadeLake) -> None:
    elsewhere = Address(host="192.0.2.1", port=0)  # RFC 5737: an address of no machine
    settings = ServerSettings(uri=made.lake.uri, address=elsewhere, access=Access(insecure=True))
    with pytest.raises(InvalidInput, match=r"Cannot listen on 192\.0\.2\.1"):
        BackgroundServer(settings).__enter__()


def test_a_lake_that_is_not_there_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="There is no lake"):
        BackgroundServer(ServerSettings(uri=str(tmp_path / "none"))).__enter__()


def test_limits_are_checked() -> None:
    with pytest.raises(InvalidInput, match="answers, threads"):
        Limits(answers=0, threads=-1)
