"""`associate` equals scikit-learn's and SciPy's statistics, feature by feature."""

from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy import stats
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score

from saelake.store.engine import Engine
from saelake.store.errors import InvalidFilter, InvalidInput, NotFound
from saelake.store.query.parts import association, gathered
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Pooling
from tests.lakes import MadeLake, make_lake

MADE = "made/random"
N = 60
FAILED = [(4, 0), (11, 0), (30, 0)]
Floats = npt.NDArray[np.float64]
Answer = dict[int, dict[str, Any]]


def columns(seed: int = 5) -> dict[str, pa.Array]:
    """A number with ties and holes, two coordinates, and columns that cannot be looked at."""
    random = np.random.default_rng(seed)
    stars: list[float | None] = [float(n) for n in random.integers(1, 6, N)]
    stars[2], stars[9], stars[17] = None, float("nan"), float("inf")
    days = [None if i == 8 else int(day) for i, day in enumerate(random.integers(0, 9000, N))]
    return {
        "stars": pa.array(stars, pa.float32()),
        "large": pa.array(2**60 + random.integers(0, 9, N)),
        "price": pa.array([None if n is None else Decimal(n) / 4 for n in days]),
        "day": pa.array(days, pa.int32()).cast(pa.date32()),
        "time": pa.array(random.integers(0, 2**62, N)).cast(pa.timestamp("ns", "UTC")),
        "fun": pa.array(
            [None if i == 6 else bool(b) for i, b in enumerate(random.integers(0, 2, N))]
        ),
        "east": pa.array(random.random(N)),
        "north": pa.array([None if i == 5 else float(y) for i, y in enumerate(random.random(N))]),
        "one": pa.array(["same"] * N),
        "three": pa.array([f"c{i % 3}" for i in range(N)]),
        "name": pa.array([f"n{i}" for i in range(N)]),
        "tags": pa.array([["a"]] * N),
        "nothing": pa.nulls(N, pa.float64()),
    }


@pytest.fixture(scope="module", params=["plain", "signed"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(
        tmp_path_factory.mktemp("lake"),
        n_documents=N,
        density=0.12,
        signed=request.param == "signed",
        columns=columns(),
        failed=FAILED,
    )


def ask(made: MadeLake, *names: str, **how: Any) -> tuple[Answer, dict[str, str], list[int]]:
    """The rows by feature, what the answer says of itself, and the features in order."""
    given = {"k": None, "min_documents": 1, **how}
    table = (
        Engine(made.lake.uri)
        .ask(AssociateQuery(collection=MADE, columns=names, **given))
        .read_all()
    )
    said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    del said["state"]
    rows = made.unsigned(table.to_pylist())
    return {row["feature"]: row for row in rows}, said, [row["feature"] for row in rows]


def looked_at(made: MadeLake, *names: str, pooling: Pooling = "max") -> tuple[Floats, list[Any]]:
    """The embeddings of the documents that have one and finite values, and these values."""
    known = {"label": pa.array(made.labels), **columns()}
    known["time"] = known["time"].cast(pa.int64())
    kept = [known[name].to_pylist() for name in names]
    rows = [
        (embedding, *values)
        for embedding, *values in zip(made.embeddings(pooling), *kept, strict=True)
        if not np.isnan(embedding[0])
        and all(v is not None and (not isinstance(v, float) or np.isfinite(v)) for v in values)
    ]
    x, *found = zip(*rows, strict=True)
    return np.array(x, np.float64), [list(values) for values in found]


def check_rows(answer: Answer, x: Floats, effects: Floats, p: Floats) -> None:
    fires = (x != 0).sum(axis=0)
    assert sorted(answer) == np.flatnonzero(fires).tolist()
    q = dict(
        zip(
            answer,
            stats.false_discovery_control([r["p_value"] for r in answer.values()]),
            strict=True,
        )
    )
    for feature, row in answer.items():
        assert row["n_documents"] == fires[feature]
        assert row["effect"] == pytest.approx(effects[feature], abs=1e-9)
        assert row["p_value"] == pytest.approx(p[feature], rel=1e-6, abs=1e-12)
        assert row["q_value"] == pytest.approx(q[feature])
        assert row["label"] is None


@pytest.mark.parametrize("pooling", get_args(Pooling))
@pytest.mark.parametrize("column", ["label", "fun"])
def test_two_classes(made: MadeLake, column: str, pooling: Pooling) -> None:
    x, (classes,) = looked_at(made, column, pooling=pooling)
    positive = np.array(classes) == max(classes)
    answer, said, order = ask(made, column, pooling=pooling)
    effects = np.array([roc_auc_score(positive, values) for values in x.T])
    p = stats.mannwhitneyu(x[positive], x[~positive], method="asymptotic").pvalue
    check_rows(answer, x, effects, np.where(np.ptp(x, axis=0) > 0, p, 1))
    assert said["n"] == str(len(x))
    assert said["n_tested"] == str(len(answer))
    assert said["statistic"] == f"AUC of {max(classes)} against {min(classes)}"
    assert order == sorted(order, key=lambda f: (-abs(answer[f]["effect"] - 0.5), f))


@pytest.mark.parametrize("column", ["stars", "large", "price", "day", "time"])
def test_numbers(made: MadeLake, column: str) -> None:
    x, (numbers,) = looked_at(made, column)
    answer, said, order = ask(made, column)
    ordered = sorted(set(numbers))
    places = [ordered.index(number) for number in numbers]
    found = [stats.spearmanr(values, places) for values in x.T]
    check_rows(
        answer, x, np.array([f.statistic for f in found]), np.array([f.pvalue for f in found])
    )
    assert said["statistic"] == f"Spearman correlation with {column}"
    assert said["n"] == str(len(x))
    assert order == sorted(order, key=lambda f: (-abs(answer[f]["effect"]), f))


def test_a_perfect_order(tmp_path: Path) -> None:
    """The number is the feature's own value: a correlation of 1, and no division by 0."""
    plain = make_lake(tmp_path / "a", n_documents=20, density=0.2, seed=3)
    own = {"own": pa.array(plain.embeddings()[:, 4])}
    made = make_lake(tmp_path / "b", n_documents=20, density=0.2, seed=3, columns=own)
    answer, _, order = ask(made, "own")
    assert order[0] == 4
    assert answer[4]["effect"] == pytest.approx(1)
    assert answer[4]["p_value"] < 1e-12


def morans(x: Floats, places: Floats, k: int) -> tuple[Floats, Floats]:
    """Moran's I and its p-values under normality, with the whole matrix of weights."""
    n = len(x)
    distance = cdist(places, places)
    np.fill_diagonal(distance, np.inf)
    w = np.zeros((n, n))
    np.put_along_axis(w, np.argsort(distance, axis=1)[:, :k], 1 / k, axis=1)
    z = x - x.mean(axis=0)
    i = n / w.sum() * np.einsum("ij,if,jf->f", w, z, z) / (z**2).sum(axis=0)
    s0, s1 = w.sum(), ((w + w.T) ** 2).sum() / 2
    s2 = ((w.sum(axis=0) + w.sum(axis=1)) ** 2).sum()
    expected = -1 / (n - 1)
    variance = (n**2 * s1 - n * s2 + 3 * s0**2) / ((n**2 - 1) * s0**2) - expected**2
    return i, 2 * stats.norm.sf(np.abs(i - expected) / np.sqrt(variance))


def test_two_coordinates(made: MadeLake) -> None:
    x, places = looked_at(made, "east", "north")
    effects, p = morans(x, np.array(places).T, 8)
    answer, said, order = ask(made, "east", "north")
    check_rows(answer, x, effects, p)
    assert said["statistic"] == "Moran's I of east, north over 8 neighbours"
    middle = -1 / (len(x) - 1)
    assert order == sorted(order, key=lambda f: (-abs(answer[f]["effect"] - middle), f))


def test_few_places(tmp_path: Path) -> None:
    """Where all are neighbours of all, I is -1 / (n - 1) whatever fires, and nothing is said."""
    places = {"east": pa.array([0, 1, 5, 9, 20]), "north": pa.array([0, 3, 3, 1, 8])}
    made = make_lake(tmp_path, n_documents=5, tokens=(3, 3), density=0.2, columns=places)
    answer, said, _ = ask(made, "east", "north")
    changing = np.flatnonzero(np.ptp(made.embeddings(), axis=0) > 0).tolist()
    assert len(changing)
    assert all(answer[f]["effect"] == pytest.approx(-1 / 4) for f in changing)
    assert {row["p_value"] for row in answer.values()} == {1.0}
    assert said["statistic"].endswith("4 neighbours")


def test_equal_places(tmp_path: Path) -> None:
    """More documents in one place than it has neighbours: none is its own neighbour."""
    places = {"east": pa.array([1.0] * 30), "north": pa.array([2.0] * 15 + [7.0] * 15)}
    made = make_lake(tmp_path, n_documents=30, columns=places)
    near = association._nearest(np.array([places["east"], places["north"]]).T)
    assert near.shape == (30, 8)
    assert not (near == np.arange(30)[:, None]).any()
    assert ((near < 15) == (np.arange(30) < 15)[:, None]).all()
    assert len(ask(made, "east", "north")[0])


def test_features_in_several_goes(made: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ask(made, "stars")
    monkeypatch.setattr(gathered, "SCANNED_AT_ONCE", 20)
    assert ask(made, "stars") == whole


def test_a_filter_and_a_floor(made: MadeLake) -> None:
    x, (labels, _) = looked_at(made, "label", "stars")
    x = x[np.array(labels) == "pos"]
    fires = (x != 0).sum(axis=0)
    least = int(np.median(fires))
    answer, said, _ = ask(made, "stars", where="label = 'pos'", min_documents=least)
    assert sorted(answer) == np.flatnonzero(fires >= least).tolist()
    assert 0 < len(answer) < made.n_features
    assert said["n"] == str(len(x)) == str(labels.count("pos"))
    assert said["n_tested"] == str(len(answer))


def test_the_first_k(made: MadeLake) -> None:
    _, _, order = ask(made, "label")
    assert ask(made, "label", k=3)[2] == order[:3]
    assert ask(made, "label", k=1000)[2] == order


def test_features_that_never_fire(tmp_path: Path) -> None:
    made = make_lake(tmp_path, density=0.0, columns={"n": pa.array(range(40))})
    answer, said, _ = ask(made, "n")
    assert answer == {}
    assert (said["n"], said["n_tested"]) == ("40", "0")


@pytest.mark.parametrize(
    ("names", "how", "error", "said"),
    [
        (("star",), {}, InvalidInput, "Did you mean 'stars'"),
        (("label", "nowhere"), {}, InvalidInput, "no metadata column 'nowhere'"),
        (("stars", "stars"), {}, InvalidInput, "stars is named twice"),
        (("one",), {}, InvalidInput, "1 different values in one"),
        (("name",), {}, InvalidInput, "57 different values in name"),
        (("tags",), {}, InvalidInput, "list"),
        (("label", "east"), {}, InvalidInput, "label has values of type string"),
        (("nothing",), {}, InvalidInput, "Only 0 encoded documents"),
        (("stars",), {"where": "length > 1000"}, InvalidInput, "Only 0 encoded documents"),
        (("stars",), {"where": "id = 'd1'"}, InvalidInput, "Only 1 encoded documents"),
        (("stars",), {"where": "nosuch = 1"}, InvalidFilter, "nosuch"),
        ((), {}, InvalidInput, "one column"),
    ],
)
def test_wrong_questions(
    made: MadeLake, names: tuple[str, ...], how: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        ask(made, *names, **how)


def test_no_such_collection(made: MadeLake) -> None:
    with pytest.raises(NotFound, match="made/random"):
        Engine(made.lake.uri).ask(AssociateQuery(collection="made/none", columns=("label",)))
