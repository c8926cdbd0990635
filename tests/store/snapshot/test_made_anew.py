"""What is dropped and made anew is another table, though its versions have the same numbers."""

import shutil
from contextlib import suppress
from pathlib import Path

import pyarrow as pa
import pytest

from saelake.store.codes.executor import Executor, Threads
from saelake.store.engine import Engine
from saelake.store.errors import Corrupt, NotFound
from saelake.store.growth.drop import drop_target
from saelake.store.health.repair import repair
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Selection
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.request import Request
from saelake.store.requests.similar import SimilarQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot import fresh
from saelake.store.tables import tables
from saelake.store.tables.tables import Table
from tests.elsewhere import OwnersElsewhere
from tests.lakes import MadeLake, make_lake

NAME = "made/random"
SIDES = [Selection(collection=NAME, where=f"label = '{label}'") for label in ("pos", "neg")]
QUESTIONS: list[Request] = [
    SimilarQuery(collection=NAME, docs=(3,), k=5),
    SimilarQuery(collection=NAME, docs=(3,), k=5, pooling="mean"),
    DiffQuery(a=SIDES[0], others=(SIDES[1],), k=None),
    DiffQuery(a=SIDES[0], others=(SIDES[1],), unit="token", k=None),
    AssociateQuery(collection=NAME, columns=("label",), min_documents=1),
    TokensQuery(collection=NAME, expression="3", k=5),
    TokensQuery(collection=NAME, expression="3 & 4", k=5),
]


@pytest.fixture(autouse=True)
def always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fresh, "FRESH_S", 0)
    monkeypatch.setattr(tables, "LOOK_AGAIN_S", 0)


def made_with(folder: Path, seed: int) -> MadeLake:
    return make_lake(folder, seed=seed, n_documents=60, tokens=(1, 12))


def answers(engine: Engine) -> list[pa.Table]:
    return [engine.ask(question).read_all() for question in QUESTIONS]


@pytest.mark.parametrize("executor", [Threads(2), OwnersElsewhere()])
@pytest.mark.parametrize("asked_between", [False, True])
@pytest.mark.parametrize("is_local", [True, False])
def test_an_open_engine_answers_of_what_was_made_anew(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    executor: Executor,
    asked_between: bool,
    is_local: bool,
) -> None:
    if not is_local:  # then tables are opened again, from time to time
        monkeypatch.setattr(tables, "commit_file", lambda *_: None)
    made = made_with(tmp_path / "lake", 0)
    engine = Engine(made.lake.uri, executor=executor)
    before, codes = answers(engine), Table.open(made.lake.codes(made.name))
    drop_target(made.lake, "made")
    if asked_between:
        with suppress(NotFound):
            answers(engine)
    made_with(tmp_path / "lake", 1)
    assert Table.open(codes.uri).version == codes.version
    assert Table.open(codes.uri).key != codes.key
    expected = answers(Engine(made.lake.uri))
    assert not any(a.equals(b) for a, b in zip(before, expected, strict=True))
    assert answers(engine) == expected


def test_a_folder_with_other_contents_is_another_lake(tmp_path: Path) -> None:
    made = made_with(tmp_path / "lake", 0)
    other = made_with(tmp_path / "other", 1)
    engine = Engine(made.lake.uri)
    answers(engine)
    expected = answers(Engine(other.lake.uri))
    shutil.rmtree(made.lake.uri)
    Path(other.lake.uri).rename(made.lake.uri)
    assert answers(engine) == expected


def test_what_was_repaired_is_read_by_who_saw_the_damage(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=60, n_fragments=1, n_indexed=1)
    engine = Engine(made.lake.uri)
    engine.ask(QUESTIONS[0]).read_all()
    expected = Engine(made.lake.uri).ask(QUESTIONS[-2]).read_all()
    postings = Table.open(made.lake.postings(made.name))
    shutil.rmtree(Path(postings.uri) / "data")
    with pytest.raises(Corrupt):
        engine.ask(QUESTIONS[-2]).read_all()
    repair(made.lake, made.name)
    assert engine.ask(QUESTIONS[-2]).read_all().equals(expected)
