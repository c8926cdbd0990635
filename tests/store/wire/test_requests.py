"""Every question survives the wire, and a message says no more and no less than its question."""

import types
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import pyarrow as pa
import pytest
from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

import saelake
from saelake.proto.v1 import lake_pb2 as pb
from saelake.served.calls import call_of
from saelake.served.remote import Remote
from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput, MissingExtra, NotFound
from saelake.store.requests.agreement import AgreementQuery
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Selection, Weight
from saelake.store.requests.cluster import ClusterQuery
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.document import DocumentQuery
from saelake.store.requests.embeddings import EmbeddingsQuery
from saelake.store.requests.encode import EncodeQuery
from saelake.store.requests.families import FamiliesQuery
from saelake.store.requests.features import FeaturesQuery
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.jobs import JobsQuery
from saelake.store.requests.labels import LabelsQuery
from saelake.store.requests.map import MapQuery
from saelake.store.requests.match import MatchQuery
from saelake.store.requests.neighbors import NeighborsQuery
from saelake.store.requests.places import PlacesQuery
from saelake.store.requests.request import Request
from saelake.store.requests.retrieve import RetrieveQuery
from saelake.store.requests.select import SelectQuery
from saelake.store.requests.shares import SharesQuery
from saelake.store.requests.similar import SimilarQuery
from saelake.store.requests.tags import TagsQuery
from saelake.store.requests.texts import TextsQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.requests.values import ValuesQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.requests.windows import WindowsQuery
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.store.wire import frames
from saelake.store.wire.requests import (
    METHODS,
    SERVICE,
    message_type,
    method_of,
    to_message,
    to_request,
)
from saelake.transport import Transport
from tests.lakes import make_lake
from tests.stateless import stateless

NAME = "made/random"
REQUESTS: tuple[type[Any], ...] = tuple(METHODS.values())  # dataclasses, all of them
ALL = Selection(collection=NAME)
SOME = Selection(collection=NAME, where="label = 'pos'")
ALL_SENT, SOME_SENT = {"collection": NAME}, {"collection": NAME, "where": "label = 'pos'"}

# The least that can be asked with each request, and the message as protobuf's own JSON.
LEAST: list[tuple[Request, dict[str, Any]]] = [
    (TokensQuery(collection=NAME, expression="1"), {"collection": NAME, "expression": "1"}),
    (FeaturesQuery(collection=NAME), {"collection": NAME}),
    (DocumentQuery(collection=NAME, doc=0), {"collection": NAME, "doc": "0"}),
    (
        WindowsQuery(collection=NAME, feature=1, docs=(0,), positions=(3,)),
        {"collection": NAME, "feature": "1", "docs": ["0"], "positions": ["3"]},
    ),
    (PlacesQuery(collection=NAME, features=(1,)), {"collection": NAME, "features": ["1"]}),
    (CodesQuery(collection=NAME), {"collection": NAME}),
    (EmbeddingsQuery(collection=NAME), {"collection": NAME}),
    (TextsQuery(corpus="made"), {"corpus": "made"}),
    (InfoQuery(), {}),
    (VerifyQuery(), {}),
    (SimilarQuery(collection=NAME, ids=("d1",)), {"collection": NAME, "ids": ["d1"]}),
    (
        SimilarQuery(collection=NAME, features=(Weight(feature=3),)),
        {"collection": NAME, "features": [{"feature": "3"}]},
    ),
    (RetrieveQuery(collection=NAME, phrase="rain"), {"collection": NAME, "phrase": "rain"}),
    (SelectQuery(pool=ALL, target=SOME), {"pool": ALL_SENT, "target": SOME_SENT}),
    (DiffQuery(a=SOME, others=(ALL,)), {"a": SOME_SENT, "others": [ALL_SENT]}),
    (
        AssociateQuery(collection=NAME, columns=("label",)),
        {"collection": NAME, "columns": ["label"]},
    ),
    (
        SharesQuery(collection=NAME, expression="1", by="label"),
        {"collection": NAME, "expression": "1", "by": "label"},
    ),
    (ValuesQuery(collection=NAME, by="label"), {"collection": NAME, "by": "label"}),
    (CorrelateQuery(a=ALL), {"a": ALL_SENT}),
    (ClusterQuery(collection=NAME), {"collection": NAME}),
    (MapQuery(collection=NAME), {"collection": NAME}),
    (MatchQuery(a=NAME, b=NAME), {"a": NAME, "b": NAME}),
    (FamiliesQuery(collection=NAME), {"collection": NAME}),
    (LabelsQuery(dictionary="random"), {"dictionary": "random"}),
    (AgreementQuery(dictionary="random"), {"dictionary": "random"}),
    (NeighborsQuery(dictionary="random", feature=0), {"dictionary": "random"}),
    (EncodeQuery(collection=NAME, texts=("w1",)), {"collection": NAME, "texts": ["w1"]}),
    (JobsQuery(), {}),
    (TagsQuery(), {}),
]
LEAST_OF = {type(request): request for request, _ in reversed(LEAST)}

MOST = 2**63 - 1
WHOLE = st.integers(-MOST, MOST)
REAL = st.floats(-1e18, 1e18)
TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
SAID = TEXT.filter(str.strip)
COUNT, SHARE = st.integers(1, MOST), st.floats(0, 1)
INSIDE = st.floats(0, 1, exclude_min=True, exclude_max=True)
PLACES = st.lists(st.tuples(st.integers(0, MOST), st.integers(0, MOST)), min_size=1, max_size=3)
DIFFERENT = st.lists(TEXT, unique=True, max_size=3).map(tuple)
BOUNDED: Mapping[str, st.SearchStrategy[Any]] = {
    "k": COUNT,
    "n_features": COUNT,
    "n_labels": COUNT,
    "min_documents": COUNT,
    "n_clusters": st.integers(2, MOST),
    "bins": st.integers(2, 1000),
    "inside": st.sampled_from(["0 0, 0.5 0, 0.5 0.5", "-1 0, 1 0, 0 1, 0.25 0.25"]),
    "seed": st.integers(0, MOST),
    "doc": st.integers(0, MOST),
    "context": st.integers(0, MOST),
    "temperature": st.floats(0, 100, exclude_min=True),
    "weight": st.floats(0, 100),
    "min_npmi": st.floats(-1, 1),
    "min_coverage": SHARE,
    "max_coverage": SHARE,
    "level": INSIDE,
    "confirm_share": INSIDE,
    "min_score": SHARE,
    "text": SAID,
    "phrase": SAID,
}


def hints_of(kind: Any) -> dict[str, Any]:
    """The types of a question's fields."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def values(name: str, hint: Any) -> st.SearchStrategy[Any]:
    """Values of a field of this name and type."""
    plain = {str: TEXT, int: WHOLE, float: REAL, bool: st.booleans()}
    if get_origin(hint) in (types.UnionType, Union):
        (some,) = (h for h in get_args(hint) if h is not type(None))
        return st.none() | values(name, some)
    if get_origin(hint) is tuple:
        return st.lists(values("", get_args(hint)[0]), max_size=3).map(tuple)
    if get_origin(hint) is Literal:
        return st.sampled_from(get_args(hint))
    if is_dataclass(hint):
        return made(hint)
    return BOUNDED.get(name, plain[hint])


def made(kind: Any, *, without: str = "", needs: str = "", **given: Any) -> st.SearchStrategy[Any]:
    """Requests with any values in their fields but those `without`; not empty where it `needs`."""
    drawn = {
        name: values(name, hint)
        for name, hint in hints_of(kind).items()
        if name not in without.split()
    }
    return st.builds(
        kind,
        **drawn
        | {name: drawn[name].filter(lambda v: v not in (None, ())) for name in needs.split()}
        | given,
    )


# What cannot be asked together is drawn apart.
FORMS: Mapping[type[Request], st.SearchStrategy[Any]] = {
    TextsQuery: made(TextsQuery, without="sample", corpus=st.sampled_from(["made", "a.b_c-d"])),
    TokensQuery: made(TokensQuery, without="order") | made(TokensQuery, needs="k"),
    FeaturesQuery: made(FeaturesQuery, without="token name")
    | made(FeaturesQuery, without="features name")
    | made(FeaturesQuery, without="features token"),
    DocumentQuery: made(DocumentQuery, needs="id", without="doc")
    | made(DocumentQuery, needs="doc", without="id"),
    WindowsQuery: PLACES.flatmap(
        lambda places: made(
            WindowsQuery,
            docs=st.just(tuple(doc for doc, _ in places)),
            positions=st.just(tuple(position for _, position in places)),
            n_tokens=st.integers(1, 4096),
            place_features=st.just(())
            | st.lists(WHOLE, min_size=len(places), max_size=len(places)).map(tuple),
        )
    ),
    PlacesQuery: made(PlacesQuery, needs="features"),
    SimilarQuery: made(SimilarQuery, needs="text", without="ids docs features about min_score")
    | made(SimilarQuery, needs="ids", without="text features within min_score")
    | made(SimilarQuery, needs="docs about", without="text features within")
    | made(SimilarQuery, needs="features", without="text ids docs method about min_score"),
    RetrieveQuery: made(RetrieveQuery, without="features")
    | made(
        RetrieveQuery,
        without="min_score",
        features=st.lists(
            st.builds(Weight, feature=WHOLE, weight=st.floats(1e-3, 100)),
            unique_by=lambda weight: weight.feature,
            max_size=3,
        ).map(tuple),
    ),
    DiffQuery: made(DiffQuery, needs="others", without="align control")
    | made(DiffQuery, needs="others", without="unit cluster_by", control=DIFFERENT)
    | made(DiffQuery, needs="others", without="align cluster_by", control=DIFFERENT),
    AssociateQuery: made(
        AssociateQuery,
        without="control cluster_by",
        columns=st.tuples(TEXT) | st.tuples(TEXT, TEXT).filter(lambda two: two[0] != two[1]),
    )
    | made(AssociateQuery, columns=st.just(("of some other name",))),
    CorrelateQuery: made(CorrelateQuery, without="b align")
    | made(CorrelateQuery, needs="b align", without="adjacent control"),
    ClusterQuery: made(ClusterQuery, without="about min_score")
    | made(ClusterQuery, needs="about", without="features"),
    MapQuery: made(MapQuery, without="of features")
    | made(MapQuery, without="of column")
    | made(MapQuery, without="where column features"),
    EncodeQuery: made(EncodeQuery, needs="texts"),
    LabelsQuery: made(LabelsQuery, without="text explainers")
    | made(LabelsQuery, without="features history every_explainer"),
}


def come_back(request: Request) -> Request:
    """The request after it was sent."""
    method = method_of(request)
    sent = to_message(request).SerializeToString()
    return to_request(method, message_type(method).FromString(sent))


@pytest.mark.parametrize("kind", REQUESTS, ids=lambda kind: kind.__name__)
def test_requests_come_through(kind: type[Request]) -> None:
    @given(FORMS.get(kind, made(kind)))
    def check(request: Request) -> None:
        assert come_back(request) == request

    check()


CHOICES = [
    (kind, name, choice)
    for kind in REQUESTS
    for name, hint in hints_of(kind).items()
    for choice in (get_args(hint) if get_origin(hint) is Literal else ())
]


@pytest.mark.parametrize(("kind", "name", "choice"), CHOICES)
def test_choices_come_through(kind: type[Any], name: str, choice: str) -> None:
    asked: Any = LEAST_OF[kind]
    assert getattr(come_back(replace(asked, **{name: choice})), name) == choice


@pytest.mark.parametrize(("kind", "name"), sorted({(k, n) for k, n, _ in CHOICES}, key=str))
def test_a_message_has_no_other_choices(kind: type[Any], name: str) -> None:
    enum: Any = message_type(method_of(LEAST_OF[kind])).DESCRIPTOR.fields_by_name[name].enum_type
    prefix = enum.values[0].name.removesuffix("UNSPECIFIED")
    chosen = {value.name.removeprefix(prefix).lower() for value in enum.values[1:]}
    assert chosen == set(get_args(hints_of(kind)[name]))


@pytest.mark.parametrize(("request_", "json"), LEAST, ids=lambda it: type(it).__name__)
def test_what_a_message_leaves_out_has_the_defaults_of_python(
    request_: Request, json: dict[str, Any]
) -> None:
    method = method_of(request_)
    assert to_request(method, ParseDict(json, message_type(method)())) == request_


def test_an_unspecified_choice_is_the_default() -> None:
    message = pb.TokensRequest(collection=NAME, expression="1", per=pb.PER_UNSPECIFIED)
    assert to_request("Tokens", message) == TokensQuery(collection=NAME, expression="1")


def test_no_limit_is_said_and_not_left_out() -> None:
    everything = pb.TokensRequest(collection=NAME, expression="1", all=True)
    assert to_request("Tokens", everything) == TokensQuery(collection=NAME, expression="1", k=None)
    everything.all = False
    assert to_request("Tokens", everything) == TokensQuery(collection=NAME, expression="1")


def test_no_features_are_not_all_features() -> None:
    none = FeaturesQuery(collection=NAME, features=())
    assert come_back(none) == none != FeaturesQuery(collection=NAME)


@pytest.mark.parametrize(("kind", "name"), sorted({(k, n) for k, n, _ in CHOICES}, key=str))
def test_a_choice_that_does_not_exist_is_refused(kind: type[Any], name: str) -> None:
    message = to_message(LEAST_OF[kind])
    setattr(message, name, 9)
    with pytest.raises(InvalidInput, match=f"{name} has no choice 9"):
        to_request(method_of(LEAST_OF[kind]), message)


REQUIRED = [
    (kind, field.name)
    for kind in REQUESTS
    for field in fields(kind)
    if field.default is MISSING and (is_dataclass(field.type) or "tuple" in str(field.type))
]


@pytest.mark.parametrize(("kind", "name"), REQUIRED)
def test_what_a_question_cannot_do_without_is_missed(kind: type[Any], name: str) -> None:
    message = to_message(LEAST_OF[kind])
    message.ClearField(name)
    with pytest.raises(InvalidInput):
        to_request(method_of(LEAST_OF[kind]), message)


def test_a_message_without_a_selection_names_it() -> None:
    with pytest.raises(InvalidInput, match="field target is missing") as caught:
        to_request("Select", pb.SelectRequest(pool=pb.Selection(collection=NAME)))
    assert caught.value.data == {"field": "target"}


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("Tokens", pb.TokensRequest(collection=NAME, expression="1", k=0)),
        ("Document", pb.DocumentRequest(collection=NAME)),
        ("Similar", pb.SimilarRequest(collection=NAME)),
        ("Cluster", pb.ClusterRequest(collection=NAME, n_clusters=1)),
    ],
)
def test_a_message_that_python_would_refuse_is_refused(method: str, message: Message) -> None:
    with pytest.raises(InvalidInput):
        to_request(method, message)


def test_every_method_has_a_request_and_every_request_a_method() -> None:
    assert set(METHODS) == {
        method.name
        for method in pb.DESCRIPTOR.services_by_name["Lake"].methods
        if method.output_type is pb.Frame.DESCRIPTOR
    }
    assert set(REQUESTS) == set(LEAST_OF)
    for request in LEAST_OF.values():
        assert METHODS[method_of(request)] is type(request)
        assert type(to_message(request)).__name__ == f"{method_of(request)}Request"


# A made lake has no labels, no directions, and no model.
LACKING = (MapQuery, RetrieveQuery, NeighborsQuery, EncodeQuery)


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Transport]]:
    """One lake, in this process and behind a server."""
    uri = make_lake(tmp_path_factory.mktemp("asked") / "lake").lake.uri
    settings = ServerSettings(uri=uri, address=Address(port=0))
    with BackgroundServer(settings) as server, saelake.connect(server.target) as lake:
        yield Engine(uri), lake.transport


@pytest.mark.parametrize("request_", [r for r, _ in LEAST], ids=lambda r: type(r).__name__)
def test_every_request_has_the_same_answer_on_both_sides(
    engines: tuple[Engine, Transport], request_: Request
) -> None:
    here, there = (outcome(transport, request_) for transport in engines)
    if isinstance(request_, LACKING):
        assert isinstance(here, str)
        assert there == here
    else:
        assert isinstance(here, pa.Table)
        assert isinstance(there, pa.Table)
        assert stateless(here).equals(stateless(there), check_metadata=True)
        assert here.schema.names == request_.answer.names


@pytest.mark.parametrize(("former", "query"), [("Correlations", CorrelateQuery(a=ALL))])
def test_a_method_answers_under_its_former_name(
    engines: tuple[Engine, Transport], former: str, query: Request
) -> None:
    engine, remote = engines
    assert isinstance(remote, Remote)
    call = replace(call_of(query, remote._connection, None), path=f"/{SERVICE}/{former}")
    found = frames.answer(remote._frames(call)).read_all()
    assert found.equals(engine.ask(query).read_all())


def outcome(transport: Transport, request: Request) -> pa.Table | str:
    try:
        return transport.ask(request).read_all()
    except (NotFound, MissingExtra) as error:
        return error.message
