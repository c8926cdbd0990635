"""Work is done piece by piece, in order, within bounds; pieces and tasks can be sent elsewhere."""

import pickle
import threading
import time
from collections.abc import Generator

import pytest

from saelake.store.codes.embeddings import blocks
from saelake.store.codes.executor import Piece, Threads, pieces
from saelake.store.codes.table import CodesTable
from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Selection, Weight
from saelake.store.requests.cluster import ClusterQuery
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.families import FamiliesQuery
from saelake.store.requests.match import MatchQuery
from saelake.store.requests.request import Request
from saelake.store.requests.select import SelectQuery
from saelake.store.requests.shares import SharesQuery
from saelake.store.requests.similar import SimilarQuery
from saelake.store.snapshot.collection import Collection
from tests.elsewhere import Elsewhere
from tests.lakes import MadeLake, add_dictionary, make_lake

MADE = "made/random"
POS = Selection(collection=MADE, where="label = 'pos'")
NEG = Selection(collection=MADE, where="label = 'neg'")


def test_results_are_in_order() -> None:
    def slow_first(item: int) -> int:
        time.sleep(0.02 if item == 0 else 0)
        return item * item

    assert list(Threads(3).map(slow_first, range(10))) == [i * i for i in range(10)]
    assert list(Threads(1).map(slow_first, range(3))) == [0, 1, 4]
    assert list(Threads(3).map(slow_first, [])) == []


def test_work_overlaps() -> None:
    """Two pieces that wait for each other both finish."""
    meeting = threading.Barrier(2, timeout=10)
    assert list(Threads(2).map(lambda _: meeting.wait() >= 0, range(4))) == [True] * 4


def test_results_that_wait_are_bounded() -> None:
    """However slow the merging, no more is begun than there are threads beyond what was merged."""
    begun: list[int] = []
    for n_merged, _ in enumerate(Threads(2).map(begun.append, range(20))):
        time.sleep(0.002)
        assert len(begun) <= n_merged + 2


def test_a_failure_ends_the_work() -> None:
    begun: list[int] = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 3:
            raise NotFound("There is no piece 3.")
        return item

    found = Threads(2).map(work, range(1000))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(NotFound, match="no piece 3"):
        next(found)
    assert len(begun) < 10


def test_a_caller_may_stop() -> None:
    begun: list[int] = []
    found = Threads(2).map(begun.append, range(1000))
    next(found)
    assert isinstance(found, Generator)
    found.close()
    assert len(begun) < 10
    assert not [t for t in threading.enumerate() if t.name.startswith("saelake-map")]


def test_no_threads() -> None:
    with pytest.raises(InvalidInput, match="at least one thread"):
        Threads(0)
    assert Threads().n_threads >= 1


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    made = make_lake(tmp_path_factory.mktemp("lake"), n_documents=50, n_fragments=5)
    add_dictionary(made, "other")
    return made


@pytest.fixture
def codes(made: MadeLake) -> CodesTable:
    return Collection(made.lake, made.name).codes


@pytest.mark.parametrize(("n_rows", "n_pieces"), [(1, 5), (20, 3), (25, 3), (10**6, 1)])
def test_pieces_cover_every_fragment_once(codes: CodesTable, n_rows: int, n_pieces: int) -> None:
    found = pieces(codes, n_rows)
    assert len(found) == n_pieces
    fragments = [fragment for piece in found for fragment in piece.fragments]
    assert fragments == [fragment.id for fragment in codes.table.fragments]


def test_pieces_can_be_sent(made: MadeLake, codes: CodesTable) -> None:
    """A copy reads the same snapshot, whatever is committed meanwhile."""
    for piece in pieces(codes, 20):
        copy: Piece = pickle.loads(pickle.dumps(piece))
        assert copy.codes.table.version == codes.table.version
        for mine, theirs in zip(blocks(piece), blocks(copy), strict=True):
            assert (mine.doc == theirs.doc).all()
            assert (mine.features == theirs.features).all()
            assert (mine.values == theirs.values).all()


QUESTIONS: list[Request] = [
    AssociateQuery(collection=MADE, columns=("label",)),
    AssociateQuery(collection=MADE, columns=("length",), pooling="mean"),
    CorrelateQuery(a=POS, min_npmi=-1, min_documents=1),
    CorrelateQuery(a=POS, min_npmi=-1, min_documents=1, features=(3, 5)),
    CorrelateQuery(a=POS, b=NEG, align="length", min_npmi=-1, min_documents=1),
    SharesQuery(collection=MADE, expression="2 & !5", by="length", bins=4),
    FamiliesQuery(collection=MADE, min_npmi=0.01, min_documents=1),
    MatchQuery(a=MADE, b="made/other", k=3),
    DiffQuery(a=POS, others=(NEG,)),
    DiffQuery(a=POS, others=(NEG,), threshold=1.0),
    DiffQuery(a=POS, others=(NEG,), unit="token"),
    DiffQuery(a=POS, others=(NEG,), align="length"),
    SelectQuery(pool=POS, target=NEG),
    SimilarQuery(collection=MADE, features=(Weight(feature=3),), exact=True),
    ClusterQuery(collection=MADE, n_clusters=2),
    ClusterQuery(collection=MADE, n_clusters=2, method="jaccard"),
]


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20])
@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: type(q).__name__)
def test_every_analysis_can_run_elsewhere(
    made: MadeLake, question: Request, cache_bytes: int
) -> None:
    """The tasks of every analysis can be pickled, and the answer is the same wherever they run."""
    elsewhere = Elsewhere()
    here = Engine(made.lake.uri, executor=Threads(2), cache_bytes=cache_bytes).ask(question)
    there = Engine(made.lake.uri, executor=elsewhere, cache_bytes=cache_bytes).ask(question)
    assert here.read_all().equals(there.read_all())
    assert elsewhere.sent
