"""One lake of random codes, by each face; and lakes that a file has of its own."""

import shutil
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

import saelake
from saelake.lake import Lake
from saelake.store.snapshot import fresh
from tests.contract.faces import CHANGING, ELSEWHERE, FACES, OTHERS, Faces
from tests.lakes import MadeLake, make_lake

HERE = Path(__file__).parent
ASKED_OF_ALL = ("test_answers.py", "test_progress.py")  # every question, and how calls go
SELDOM = ELSEWHERE | {"by_certificate"}  # begin processes, or differ in what stands before a call
LOADED = SELDOM | {"by_token", "awaited"}  # of the tests that load a lake for seconds
REALLY_FRESH_S = fresh.FRESH_S
SOON_S = 0.1
RAY_CPUS = 8  # for actors of several lakes: most of them wait for the next test


@pytest.hookimpl(tryfirst=True)  # before marks choose
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every file asks every face, some of them only by `-m slow`."""
    for item in items:
        if item.path.parent != HERE or item.path.name in ASKED_OF_ALL:
            continue
        seldom = LOADED if item.path.name == "test_freshness.py" else SELDOM
        if _asked(item) & seldom:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="package")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Faces:
    return Faces(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="package")
def ray_here() -> Iterator[None]:
    """Ray on this machine, which the lakes of all files use one after another."""
    ray = pytest.importorskip("ray")
    from saelake.workers.ray.session import start

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        start("local", num_cpus=RAY_CPUS)
    yield
    ray.shutdown()


@pytest.fixture(scope="package")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("contract") / "lake", n_documents=60, seed=3)


@pytest.fixture(scope="package")
def embedded(made: MadeLake) -> Lake:
    return saelake.connect(made.lake.uri)


@pytest.fixture(scope="package", params=FACES)
def lake(request: pytest.FixtureRequest, made: MadeLake, faces: Faces) -> Iterator[Lake]:
    """The lake by each face."""
    with faces.open(_chosen(request), made.lake.uri) as opened:
        yield opened


@pytest.fixture(scope="module", params=FACES)
def face(request: pytest.FixtureRequest) -> str:
    """Each face, for a file that has a lake of its own."""
    return _chosen(request)


@pytest.fixture(scope="module", params=OTHERS)
def other_face(request: pytest.FixtureRequest) -> str:
    """Each face whose answers are compared with those of the lake in this process."""
    return _chosen(request)


@pytest.fixture(scope="module", params=CHANGING)
def changing_face(request: pytest.FixtureRequest) -> str:
    """Each face that takes every change."""
    return _chosen(request)


def _chosen(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if name == "on_ray":
        request.getfixturevalue("ray_here")
    return name


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the lake of a file is that is made anew for each of its tests."""
    return tmp_path_factory.mktemp("anew") / "lake"


@pytest.fixture(autouse=True, scope="module")
def seen_soon() -> Iterator[None]:
    """What this process knows of a lake is never older than `SOON_S`: tests wait for that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fresh, "FRESH_S", SOON_S)
        yield


@pytest.fixture
def fresh_s(request: pytest.FixtureRequest) -> float:
    """How long it takes at most until the face that a test asks has seen a change."""
    return REALLY_FRESH_S if _asked(request.node) & ELSEWHERE else SOON_S


def _asked(item: pytest.Item) -> set[object]:
    """Which face a test asks, if it is one of several."""
    params = (
        item.callspec.params
        if isinstance(item, pytest.Function) and hasattr(item, "callspec")
        else {}
    )
    return {each for each in params.values() if isinstance(each, str)}


def made_anew(place: Path, *, seed: int, settle_s: float = 0.0) -> MadeLake:
    """A lake of 30 documents in place of the one that the test before has left.

    Whoever serves the place goes on, and has seen it after `settle_s`.
    """
    was_there = place.exists()
    shutil.rmtree(place, ignore_errors=True)
    made = make_lake(place, n_documents=30, seed=seed)
    if was_there:
        time.sleep(settle_s)
    return made
