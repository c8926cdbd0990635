"""Signed collections from before poles: recognised, never misread, and indexed again."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from saelake.store.engine import Engine
from saelake.store.errors import NotFound, OutdatedIndex
from saelake.store.growth.compact import compact
from saelake.store.growth.index import index
from saelake.store.growth.label import label_collection
from saelake.store.growth.shards import continued
from saelake.store.health.repair import repair
from saelake.store.health.verify import verify
from saelake.store.index.vectors import write_vectors
from saelake.store.labels.written import set_labels
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
from saelake.store.requests.tokens import Per, TokensQuery
from saelake.store.requests.values import ValuesQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.requests.windows import WindowsQuery
from saelake.store.snapshot.session import Session
from saelake.store.wire.requests import METHODS
from tests.lakes import MadeLake, index_as_before, make_lake, settings
from tests.stateless import stateless

MADE = "made/random"
N, D_SAE, WIDTH = 60, 12, 7
POS = Selection(collection=MADE, where="label = 'pos'")
NEG = Selection(collection=MADE, where="label = 'neg'")
WAYS: tuple[tuple[int | None, Per, str], ...] = (
    (5, "document", "token"),
    (5, "token", "token"),
    (None, "document", "document"),
    (9, "token", "window:2"),
)
QUESTIONS: tuple[Request, ...] = (
    *(
        TokensQuery(collection=MADE, expression=expression, k=k, per=per, scope=scope)
        for expression in ("3", "-3", "+3", "3 < -1", "3 > 1 & -4", "(3 | 5) & !-7")
        for k, per, scope in WAYS
    ),
    TokensQuery(collection=MADE, expression="3", k=6, order="quantiles", where="label = 'pos'"),
    FeaturesQuery(collection=MADE, k=None, order="feature"),
    FeaturesQuery(collection=MADE, features=(3, -4), order="max"),
    DocumentQuery(collection=MADE, doc=9),
    DocumentQuery(collection=MADE, doc=9, features=(3, -4)),
    WindowsQuery(collection=MADE, feature=3, docs=(9, 2, 9), positions=(0, 4, 1000), n_tokens=5),
    WindowsQuery(collection=MADE, feature=-3, docs=(9, 2), positions=(3, 4)),
    WindowsQuery(collection=MADE, feature=3, place_features=(3, -4), docs=(9, 2), positions=(3, 4)),
    PlacesQuery(collection=MADE, features=(3, -4), k=5),
    PlacesQuery(collection=MADE, features=(3,), k=5, order="quantiles", where="label = 'pos'"),
    CodesQuery(collection=MADE),
    *(EmbeddingsQuery(collection=MADE, pooling=p) for p in ("max", "mean", "sum", "binary")),
    TextsQuery(corpus="made", sample=3),
    SimilarQuery(collection=MADE, docs=(9,), idf=True),
    SimilarQuery(collection=MADE, docs=(9, 3), measure="jaccard", within=(3, -4, 5)),
    SimilarQuery(collection=MADE, features=(Weight(feature=-3), Weight(feature=4, weight=-0.5))),
    SimilarQuery(collection=MADE, docs=(9,), weights=(Weight(feature=3, weight=4.0),)),
    SelectQuery(pool=POS, target=NEG),
    DiffQuery(a=POS, others=(NEG,), k=None),
    DiffQuery(a=POS, others=(NEG,), k=None, unit="token", threshold=1.0, examples=False),
    AssociateQuery(collection=MADE, columns=("label",), k=None),
    AssociateQuery(collection=MADE, columns=("length",), k=None, pooling="sum"),
    SharesQuery(collection=MADE, expression="3", by="label"),
    ValuesQuery(collection=MADE, by="length", bins=4),
    SharesQuery(collection=MADE, expression="-3 > 0.5 | 4 < -1", by="length", bins=4),
    CorrelateQuery(a=Selection(collection=MADE), min_npmi=-1, k=None),
    CorrelateQuery(a=Selection(collection=MADE), min_npmi=-1, features=(-3,), adjacent="drop"),
    FamiliesQuery(collection=MADE, min_npmi=0.05),
    ClusterQuery(collection=MADE, n_clusters=3, features=(3, -4, 5)),
    ClusterQuery(collection=MADE, n_clusters=3, method="jaccard"),
    MatchQuery(a=MADE, b=MADE, k=2),
    MatchQuery(a="random", b="random", by="decoder", features=(3,), k=3),
    LabelsQuery(dictionary="random", k=None),
    LabelsQuery(dictionary="random", features=(3, -4)),
    AgreementQuery(dictionary="random"),
    NeighborsQuery(dictionary="random", feature=-3, k=30),
)
names = [f"{i} {question.question}" for i, question in enumerate(QUESTIONS)]


def made(folder: Path, *, by_pole: bool) -> MadeLake:
    """Not indexed; with decoder directions, and what a label needs."""
    lake = make_lake(
        folder, signed=True, by_pole=by_pole, n_documents=N, n_features=D_SAE, n_indexed=0, seed=8
    )
    random = np.random.default_rng(4)
    directions = random.normal(size=(D_SAE, WIDTH)).astype(np.float32)
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    rows = np.arange(D_SAE, dtype=np.uint64)
    write_vectors(lake.lake.decoder("random"), WIDTH, "f", [(rows, directions)])
    return lake


def ask(lake: MadeLake, question: Request) -> pa.Table:
    return Engine(lake.lake.uri).ask(question).read_all()


def labelled(lake: MadeLake) -> MadeLake:
    """By itself, and by one who says something of two poles."""
    label_collection(Session(lake.lake), MADE)
    set_labels(lake.lake, "random", {3: "rain", -4: "snow"}, explainer="me")
    return lake


def timeless(table: pa.Table) -> pa.Table:
    """The answer without when labels were made."""
    return table.drop_columns([name for name in ("made",) if name in table.schema.names])


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """Encoded and indexed by pole."""
    lake = made(tmp_path_factory.mktemp("unlabelled"), by_pole=True)
    index(lake.lake, lake.name)
    return lake


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """Encoded and indexed by pole, with labels."""
    lake = made(tmp_path_factory.mktemp("fresh"), by_pole=True)
    index(lake.lake, lake.name)
    return labelled(lake)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """Encoded and indexed as before."""
    lake = made(tmp_path_factory.mktemp("old"), by_pole=False)
    with pytest.MonkeyPatch.context() as patch:
        index_as_before(lake, patch)
    return lake


@pytest.fixture(scope="module")
def renewed(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """Encoded and indexed as before, and then indexed again."""
    lake = made(tmp_path_factory.mktemp("renewed"), by_pole=False)
    with pytest.MonkeyPatch.context() as patch:
        index_as_before(lake, patch)
    index(lake.lake, lake.name)
    return labelled(lake)


def test_every_question_is_asked_here() -> None:
    elsewhere = {
        InfoQuery,
        VerifyQuery,
        RetrieveQuery,
        EncodeQuery,
        JobsQuery,
        TagsQuery,
        MapQuery,
    }
    assert {type(question) for question in QUESTIONS} | elsewhere == set(METHODS.values())


@pytest.mark.filterwarnings("ignore::saelake.store.errors.OutdatedIndex")
@pytest.mark.parametrize("question", QUESTIONS, ids=names)
def test_what_is_indexed_as_before_is_not_used(
    old: MadeLake, unlabelled: MadeLake, question: Request
) -> None:
    if question.question == "features":
        with pytest.raises(NotFound, match="both poles yet: run `saelake index made/random`"):
            ask(old, question)
    else:
        found, expected = ask(old, question), ask(unlabelled, question)
        assert stateless(found).equals(stateless(expected), check_metadata=True)


@pytest.mark.parametrize("question", QUESTIONS, ids=names)
def test_indexed_again_it_answers_as_one_that_is_new(
    renewed: MadeLake, fresh: MadeLake, question: Request
) -> None:
    found, expected = (timeless(ask(lake, question)) for lake in (renewed, fresh))
    assert stateless(found).equals(stateless(expected), check_metadata=True)
    assert len(expected)


def test_it_is_said_once(old: MadeLake) -> None:
    engine = Engine(old.lake.uri)
    question = TokensQuery(collection=MADE, expression="3")
    with pytest.warns(OutdatedIndex, match="`saelake index made/random`"):
        engine.ask(question)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        engine.ask(question)


@pytest.mark.filterwarnings("ignore::saelake.store.errors.OutdatedIndex")
def test_info_and_verify_say_it(old: MadeLake, renewed: MadeLake) -> None:
    (before,), (after,) = (ask(lake, InfoQuery()).to_pylist() for lake in (old, renewed))
    assert (before["is_outdated"], before["n_indexed"], before["n_segments"]) == (True, 0, 0)
    assert (after["is_outdated"], after["n_indexed"]) == (False, N)
    checks = verify(old.lake).read_all().to_pylist()
    assert all(check["ok"] for check in checks)
    assert "saelake index made/random" in " ".join(check["detail"] or "" for check in checks)
    checks = verify(renewed.lake).read_all().to_pylist()
    assert all(check["ok"] for check in checks)
    assert "saelake index" not in " ".join(check["detail"] or "" for check in checks)


@pytest.mark.filterwarnings("ignore::saelake.store.errors.OutdatedIndex")
@pytest.mark.parametrize("mend", ["repair", "compact"])
def test_repair_and_compact_index_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fresh: MadeLake, mend: str
) -> None:
    lake = made(tmp_path, by_pole=False)
    index_as_before(lake, monkeypatch)
    if mend == "repair":
        (done,) = repair(lake.lake)
        assert done.n_segments == 1
    else:
        compact(lake.lake, MADE)
    (row,) = ask(lake, InfoQuery()).to_pylist()
    assert (row["is_outdated"], row["n_indexed"]) == (False, N)
    question = FeaturesQuery(collection=MADE, k=None, order="feature")
    labels = [name for name in FeaturesQuery.answer.names if name.startswith("label")]
    renewed, expected = (ask(of, question).drop_columns(labels) for of in (lake, fresh))
    assert renewed.equals(expected)


def test_a_collection_goes_on_with_the_rows_that_it_has(old: MadeLake, fresh: MadeLake) -> None:
    asked: dict[str, Any] = {"n_features": D_SAE, "signed": True}
    assert settings(**asked).by_pole
    assert not continued(old.lake, settings(**asked)).by_pole
    assert continued(fresh.lake, settings(**asked)).by_pole
