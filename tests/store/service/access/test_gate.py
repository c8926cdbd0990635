"""Every call goes through the gate: who asks, and what he may ask."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import pyarrow as pa
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from saelake.store.engine import Engine
from saelake.store.errors import (
    InvalidFilter,
    InvalidInput,
    MissingExtra,
    NotFound,
    PermissionDenied,
)
from saelake.store.requests.checks import Selection
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.match import MatchQuery
from saelake.store.requests.neighbors import NeighborsQuery
from saelake.store.requests.request import Request, Right
from saelake.store.requests.select import SelectQuery
from saelake.store.requests.tags import TagsQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.service.access.gate import Gate
from saelake.store.service.access.protection import Access
from saelake.store.service.caller import caller
from saelake.store.service.calls import Calls
from saelake.store.service.limits import Limits
from saelake.store.service.serve import BackgroundServer, _loop
from saelake.store.wire.requests import FORMER, METHODS
from tests.store.service.access.serving import (
    OPEN,
    QUESTIONS,
    SECRET,
    ask,
    called,
    connected,
    issue,
    server,
)

OF_ALL = "Tags"  # a question that names no place
every_method = pytest.mark.parametrize("method", [*METHODS, *FORMER])


@pytest.fixture(scope="module")
def protected(
    uri: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[BackgroundServer, str, str]]:
    """A server, a token for one corpus, and one for all."""
    tokens = tmp_path_factory.mktemp("tokens") / "tokens.json"
    limited, free = issue(tokens, "ana", "read", "made"), issue(tokens, "bo")
    with server(uri, tokens=tokens) as running:
        yield running, limited, free


Protected = tuple[BackgroundServer, str, str]


@every_method
def test_no_method_answers_without_a_token(protected: Protected, method: str) -> None:
    for message in (b"", b"\xff\xff no message"):
        refused = called(protected[0], method, message)
        assert refused.code() == grpc.StatusCode.UNAUTHENTICATED
        assert "missing, wrong or expired" in refused.details()


@every_method
def test_what_is_no_message_is_the_callers_mistake(protected: Protected, method: str) -> None:
    running, _, free = protected
    sent = (("authorization", f"Bearer {free}"),)
    refused = called(running, method, b"\xff\xff no message", sent)
    assert refused.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert "are not the message that this method takes" in refused.details()


def test_all_may_ask_for_health_and_only_callers_for_reflection(protected: Protected) -> None:
    running, limited, _ = protected
    with grpc.insecure_channel(str(running.address)) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        assert check(health_pb2.HealthCheckRequest()).status == 1
        reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        asked = [reflection_pb2.ServerReflectionRequest(list_services="")]
        with pytest.raises(grpc.RpcError) as refused:
            list(reflect(iter(asked)))
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        sent = (("authorization", f"Bearer {limited}"),)
        (answer,) = reflect(iter(asked), metadata=sent)
        assert answer.list_services_response.service


def test_each_question_is_tried() -> None:
    assert set(QUESTIONS) | {OF_ALL} == set(METHODS)


@pytest.mark.parametrize("method", QUESTIONS)
def test_a_question_of_a_corpus_that_was_not_granted_is_refused(
    protected: Protected, method: str
) -> None:
    running, limited, free = protected
    for collection in (SECRET, "none/random"):  # nobody learns whether there is one
        with pytest.raises(PermissionDenied, match="may not use the corpus") as refused:
            ask(connected(running, limited), QUESTIONS[method](collection))
        assert refused.value.data["corpus"] == collection.partition("/")[0]
    for token, collection in ((limited, OPEN), (free, OPEN), (free, SECRET)):
        with suppress(NotFound, InvalidInput, MissingExtra):  # no labels, and no model
            ask(connected(running, token), QUESTIONS[method](collection))


@pytest.mark.parametrize(
    "request_",
    [
        DiffQuery(
            a=Selection(collection=OPEN),
            others=(Selection(collection=OPEN), Selection(collection=SECRET)),
        ),
        DiffQuery(a=Selection(collection=SECRET), others=(Selection(collection=OPEN),)),
        SelectQuery(pool=Selection(collection=OPEN), target=Selection(collection=SECRET)),
        SelectQuery(pool=Selection(collection=SECRET), target=Selection(collection=OPEN)),
        CorrelateQuery(a=Selection(collection=OPEN), b=Selection(collection=SECRET), align="label"),
        MatchQuery(a=OPEN, b=SECRET),
        MatchQuery(a="random", b=SECRET, by="decoder"),
        InfoQuery(corpora=("made", "secret")),
    ],
    ids=repr,
)
def test_a_question_of_two_needs_both(protected: Protected, request_: Request) -> None:
    with pytest.raises(PermissionDenied, match="secret"):
        ask(connected(protected[0], protected[1]), request_)


def test_a_lake_is_listed_as_far_as_it_is_granted(protected: Protected) -> None:
    running, limited, free = protected
    assert connected(running, limited).collections() == [OPEN]
    assert connected(running, free).collections() == [OPEN, SECRET]
    assert [row.name for row in connected(running, free).info(["secret"])] == [SECRET]
    for whole in (VerifyQuery(), TagsQuery()):
        with pytest.raises(PermissionDenied, match="whole lake"):
            ask(connected(running, limited), whole)
    with pytest.raises(NotFound, match="no collection made/none") as missing:
        connected(running, limited)["made/none"].tokens(1)
    assert "secret" not in str(missing.value)


def test_a_dictionary_is_of_no_corpus(protected: Protected) -> None:
    with pytest.raises(NotFound, match="decoder directions"):
        ask(connected(protected[0], protected[1]), NeighborsQuery(dictionary="random", feature=0))


@pytest.mark.parametrize(
    "where",
    [
        "doc IN (SELECT doc FROM secret)",
        "EXISTS (SELECT 1 FROM secret)",
        "label = (SELECT max(label) FROM `secret.lance`)",
        "doc >= 0) UNION (SELECT * FROM secret",
        "secret.label = 'pos'",
        "read_csv('secret') IS NOT NULL",
    ],
)
def test_a_filter_reaches_no_other_corpus(protected: Protected, where: str) -> None:
    with pytest.raises(InvalidFilter):
        connected(protected[0], protected[1])[OPEN].tokens(1, where=where)


@pytest.mark.parametrize("needed", ["label", "encode", "admin"])
def test_a_right_includes_those_before_it(
    uri: str, tokens: Path, monkeypatch: pytest.MonkeyPatch, needed: Right
) -> None:
    monkeypatch.setattr(TokensQuery, "right", needed)
    order: list[Right] = ["read", "label", "encode", "admin"]
    held = {right: issue(tokens, right, right) for right in order}
    with server(uri, tokens=tokens) as running:
        for right, token in held.items():
            asked = connected(running, token)[OPEN]
            if order.index(right) >= order.index(needed):
                assert asked.tokens(1) is not None
            else:
                with pytest.raises(PermissionDenied, match=f"{right} has the right {right}") as no:
                    asked.tokens(1)
                assert no.value.data["right"] == needed
        refused = called(running, "Tokens", metadata=(("authorization", f"Bearer {held['read']}"),))
        assert refused.code() == grpc.StatusCode.PERMISSION_DENIED


def test_a_server_without_protection_does_for_all_what_it_does(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TokensQuery, "right", "admin")
    with server(uri) as running:
        assert connected(running)[OPEN].tokens(1) is not None


def test_a_method_that_declares_nothing_needs_the_last_right(
    uri: str, tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    low, high = issue(tokens, "ana", "encode"), issue(tokens, "bo", "admin")
    limited = issue(tokens, "cy", "admin", "made")
    with server(uri, tokens=tokens) as running:
        monkeypatch.setattr("saelake.store.service.access.declared.METHODS", {})
        codes = {
            token: called(running, "Info", metadata=(("authorization", f"Bearer {token}"),)).code()
            for token in (low, high, limited)
        }
    assert codes[low] == codes[limited] == grpc.StatusCode.PERMISSION_DENIED
    assert codes[high] != grpc.StatusCode.PERMISSION_DENIED


class Kinds:
    """A service with a handler of each kind, each of which says who asks."""

    def handler(self) -> grpc.GenericRpcHandler:
        return grpc.method_handlers_generic_handler(
            "Kinds",
            {
                "OneOne": grpc.unary_unary_rpc_method_handler(self._one),
                "OneMany": grpc.unary_stream_rpc_method_handler(self._many),
                "ManyOne": grpc.stream_unary_rpc_method_handler(self._one),
                "ManyMany": grpc.stream_stream_rpc_method_handler(self._written),
            },
        )

    async def _one(self, *_: object) -> bytes:
        return caller().name.encode()

    async def _many(self, *_: object) -> AsyncIterator[bytes]:
        for _n in range(2):
            yield caller().name.encode()

    async def _written(self, sent: object, context: grpc.aio.ServicerContext) -> None:
        async for message in sent:  # type: ignore[attr-defined]
            await context.write(message + await asyncio.create_task(self._one()))


def test_who_asks_is_known_to_handlers_of_every_kind(tokens: Path) -> None:
    """Also in tasks that they begin: the context of a call is copied into them."""
    token = issue(tokens, "ana", "admin")

    async def run() -> list[bytes]:
        serving = grpc.aio.server(
            interceptors=[Calls(Gate(Access(tokens=tokens), Limits()), Limits())]
        )
        serving.add_generic_rpc_handlers((Kinds().handler(),))
        port = serving.add_insecure_port("127.0.0.1:0")
        await serving.start()
        sent = (("authorization", f"Bearer {token}"),)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            said = [await channel.unary_unary("/Kinds/OneOne")(b"", metadata=sent)]
            said += [m async for m in channel.unary_stream("/Kinds/OneMany")(b"", metadata=sent)]
            said += [await channel.stream_unary("/Kinds/ManyOne")(iter([b"x"]), metadata=sent)]
            many = channel.stream_stream("/Kinds/ManyMany")(iter([b"x", b"y"]), metadata=sent)
            said += [message async for message in many]
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await channel.unary_unary("/Kinds/OneOne")(b"")
        await serving.stop(0)
        assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED
        return said

    assert _loop().run(run()) == [b"ana"] * 4 + [b"xana", b"yana"]


def test_who_asks_is_known_where_questions_are_answered(
    uri: str, tokens: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The audit line of a call has the caller, and an engine the question that was narrowed."""
    asked: list[Request] = []
    before = Engine.ask

    def noted(engine: Engine, request: Request, /, **given: Any) -> pa.RecordBatchReader:
        asked.append(request)
        return before(engine, request, **given)

    monkeypatch.setattr(Engine, "ask", noted)
    token, audit = issue(tokens, "ana", "read", "made"), tmp_path / "audit"
    with server(uri, tokens=tokens, audit=audit) as running:
        assert connected(running, token).collections() == [OPEN]
    assert asked[-1] == InfoQuery(corpora=("made",))
    assert json.loads(audit.read_text())["caller"] == "ana"
