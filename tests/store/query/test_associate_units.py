"""`associate` within strata, by clusters, of many classes, with intervals, and confirmed."""

import json
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy import stats

from saelake.store.arrays.ranks import ColumnScores, FeatureScores, RankUnits
from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput
from saelake.store.query.parts.association import Associated, Values, measured
from saelake.store.requests.associate import AssociateQuery
from tests.lakes import MadeLake, make_lake

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
MADE = "made/random"
N = 90


def columns(seed: int = 2) -> dict[str, pa.Array]:
    random = np.random.default_rng(seed)
    return {
        "stars": pa.array([float(n) for n in random.integers(1, 6, N)], pa.float32()),
        "topic": pa.array([f"t{n}" for n in random.integers(0, 3, N)]),
        "source": pa.array([None if i % 13 == 5 else f"s{i * 7 % 11 % 3}" for i in range(N)]),
        "author": pa.array([None if i % 17 == 3 else i // 4 for i in range(N)]),
    }


@pytest.fixture(scope="module", params=["plain", "signed"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(
        tmp_path_factory.mktemp("lake"),
        n_documents=N,
        density=0.12,
        signed=request.param == "signed",
        columns=columns(),
        failed=[(4, 0), (11, 0)],
    )


def ask(made: MadeLake, *names: str, **how: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    given = {"k": None, "min_documents": 1, **how}
    query = AssociateQuery(collection=MADE, columns=names, **given)
    table = Engine(made.lake.uri).ask(query).read_all()
    said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    rows = sorted(made.unsigned(table.to_pylist()), key=lambda row: int(row["feature"]))
    return rows, said | {"notes": json.loads(said["notes"])}


def looked_at(made: MadeLake, *names: str) -> tuple[Floats, list[npt.NDArray[Any]]]:
    """The embeddings of the documents that have a value in every column, and these values."""
    known = {"label": pa.array(made.labels), "doc": pa.array(range(N)), **columns()}
    kept = [known[name].to_pylist() for name in names]
    docs = [d for d in sorted(made.tokens()) if all(values[d] is not None for values in kept)]
    x = made.embeddings()[docs].astype(np.float64)
    return x, [np.array([values[d] for d in docs]) for values in kept]


def fired(x: Floats) -> Ints:
    return np.flatnonzero((x != 0).any(axis=0))


# -- Definitions, by loops.


def scores(values: Floats, strata: npt.NDArray[Any]) -> Floats:
    """Ranks within strata over n_s + 1, less 1/2."""
    found = np.empty(len(values))
    for stratum in set(strata):
        inside = strata == stratum
        found[inside] = stats.rankdata(values[inside]) / (inside.sum() + 1) - 0.5
    return found


def centred(values: Floats, strata: npt.NDArray[Any]) -> Floats:
    found = values.astype(np.float64)
    for stratum in set(strata):
        found[strata == stratum] -= found[strata == stratum].mean()
    return found


def variance(r: Floats, c: Floats, strata: npt.NDArray[Any]) -> float:
    """Of the sum of r times c when documents of a stratum are exchanged."""
    total = 0.0
    for stratum in set(strata):
        inside = strata == stratum
        if inside.sum() > 1:
            total += (r[inside] ** 2).sum() * (c[inside] ** 2).sum() / (inside.sum() - 1)
    return total


def one_auc(x: Floats, positive: npt.NDArray[np.bool_], strata: npt.NDArray[Any]) -> float:
    """The mean of the strata's shares of pairs in order, weighted by n_1 n_0 / (n_s + 1)."""
    shares, weights = [], []
    for stratum in set(strata):
        ones, zeros = (x[(strata == stratum) & (positive == side)] for side in (True, False))
        if len(ones) and len(zeros):
            order = [(a > b) + (a == b) / 2 for a, b in product(ones, zeros)]
            shares.append(np.mean(order))
            weights.append(len(ones) * len(zeros) / ((strata == stratum).sum() + 1))
    return float(np.average(shares, weights=weights))


@pytest.mark.parametrize("column", ["label", "stars"])
def test_within_strata(made: MadeLake, column: str) -> None:
    x, (values, strata) = looked_at(made, column, "source")
    rows, said = ask(made, column, control=("source",))
    assert [row["feature"] for row in rows] == fired(x).tolist()
    for row in rows:
        mine = x[:, row["feature"]]
        r = scores(mine, strata)
        if column == "label":
            c = centred(values == "pos", strata)
            assert row["effect"] == pytest.approx(one_auc(mine, values == "pos", strata))
            scale = (row["effect"] - 0.5) / (r @ c) if r @ c else 1
            reach = stats.norm.ppf(0.975) * scale * variance(r, c, strata) ** 0.5
            assert row["ci_high"] == pytest.approx(row["effect"] + reach)
        else:
            c = scores(values, strata)
            assert row["effect"] == pytest.approx(r @ c / np.sqrt(r @ r * (c @ c)))
        z = r @ c / variance(r, c, strata) ** 0.5
        assert row["p_value"] == pytest.approx(2 * stats.norm.sf(abs(z)))
        assert row["ci_low"] < row["effect"] < row["ci_high"]
    left_out = len(looked_at(made, column)[0]) - len(x)
    assert said["control"] == "source (3 values)"
    assert said["n"] == str(len(x))
    assert "van Elteren" in said["test"]
    assert said["notes"][0].startswith(f"{left_out} of {left_out + len(x)} documents have no value")


def test_van_elteren_of_one_stratum_is_mann_whitney(made: MadeLake) -> None:
    """But for the continuity correction."""
    x, (labels,) = looked_at(made, "label")
    rows, _ = ask(made, "label")
    units = RankUnits(stratum=np.zeros(len(x), np.int64))
    column = ColumnScores.of_class(labels == "pos", units)
    for row in rows:
        mine = x[:, row["feature"]]
        found = FeatureScores.of(*stored(mine[:, None]), 1, units)
        z = found.products(column)[0] / found.variances(column)[0] ** 0.5
        test = stats.mannwhitneyu(
            mine[labels == "pos"], mine[labels == "neg"], use_continuity=False, method="asymptotic"
        )
        assert 2 * stats.norm.sf(abs(z)) == pytest.approx(test.pvalue)


@pytest.mark.parametrize("control", [(), ("source",)])
@pytest.mark.parametrize("column", ["label", "stars"])
def test_by_clusters(made: MadeLake, column: str, control: tuple[str, ...]) -> None:
    x, (values, own, *rest) = looked_at(made, column, "doc", *control)
    named = columns()["author"].to_pylist()
    authors = np.array([f"own {d}" if named[d] is None else str(named[d]) for d in own])
    strata = rest[0] if rest else np.zeros(len(x))
    rows, said = ask(made, column, cluster_by="author", control=control)
    c = centred(values == "pos", strata) if column == "label" else scores(values, strata)
    size = np.array([(strata == stratum).sum() for stratum in strata])
    square = np.array([(c[strata == stratum] ** 2).sum() for stratum in strata])
    same = (authors[:, None] == authors) & ~np.eye(len(x), dtype=bool)
    unit, deviation = c / np.sqrt(square / size), np.sqrt(square / (size - 1))
    alike = (np.outer(unit, unit) * same).sum() / same.sum()
    n = len(set(authors))
    for row in rows:
        r = scores(x[:, row["feature"]], strata)
        # of a document's own square, (1 - alike) is of documents and alike of clusters
        squares = (1 - alike) * variance(r, c, strata) + alike * ((r * deviation) ** 2).sum()
        pairs = alike * (np.outer(r * deviation, r * deviation) * same).sum()
        z = r @ c / np.sqrt((squares + pairs) * n / (n - 1))
        assert row["p_value"] == pytest.approx(2 * stats.t.sf(abs(z), n - 1))
    assert said["unit"] == "value of author"
    assert said["n_units"] == str(n)
    assert f"variance of {n} clusters" in said["test"]
    n_alone = sum(author.startswith("own") for author in authors)
    assert f"{n_alone} documents have no author: each is a unit of its own." in said["notes"]


def test_whole_clusters_are_exchanged() -> None:
    """Where each cluster has one value it is the variance over all ways to give them out."""
    random = np.random.default_rng(0)
    cluster = np.repeat(np.arange(60), 5)
    x = np.maximum(random.normal(size=(300, 4)) + random.normal(size=(60, 4))[cluster], 0)
    units = RankUnits(stratum=np.zeros(300, np.int64), cluster=cluster)
    inside = random.permutation(np.arange(60) < 20)
    found = FeatureScores.of(*stored(x), 4, units)
    variances = found.variances(ColumnScores.of_class(inside[cluster], units))
    for feature in range(4):
        total = np.bincount(cluster, scores(x[:, feature], np.zeros(300)))
        exchanged = (total**2).sum() * (20 * 40 / 60) / 59
        assert variances[feature] == pytest.approx(exchanged, rel=0.02)


def test_halves_of_a_cluster_are_compared_with_each_other() -> None:
    """One document of either class in each cluster: the variance is that of the differences."""
    random = np.random.default_rng(1)
    x = random.normal(size=80) + np.repeat(3 * random.normal(size=40), 2)
    units = RankUnits(stratum=np.zeros(80, np.int64), cluster=np.repeat(np.arange(40), 2))
    column = ColumnScores.of_class(np.arange(80) % 2 == 0, units)
    (found,) = FeatureScores.of(*stored(x[:, None]), 1, units).variances(column)
    r = scores(x, np.zeros(80))
    assert found == pytest.approx(((r[::2] - r[1::2]) ** 2).sum() / 4, rel=0.05)


def test_one_class_against_the_rest(made: MadeLake) -> None:
    x, (topics,) = looked_at(made, "topic")
    rows, said = ask(made, "topic")
    assert said["statistic"] == "AUC of one of 3 classes of topic against the rest"
    assert said["correction"].startswith("Sidak's bound for the choice of 3 classes")
    for row in rows:
        mine = x[:, row["feature"]]
        tests = {
            topic: stats.mannwhitneyu(
                mine[topics == topic], mine[topics != topic], method="asymptotic"
            ).pvalue
            for topic in set(topics)
        }
        assert tests[row["category"]] == pytest.approx(min(tests.values()))
        assert row["effect"] == pytest.approx(
            one_auc(mine, topics == row["category"], np.zeros(len(x)))
        )
        assert row["p_value"] == pytest.approx(1 - (1 - min(tests.values())) ** 3)


def test_two_classes_are_not_corrected(made: MadeLake) -> None:
    rows, said = ask(made, "topic", where="topic <> 't2'")
    assert {row["category"] for row in rows} == {"t1"}
    assert said["statistic"] == "AUC of t1 against t0"
    assert "Sidak" not in said["correction"]
    assert {row["category"] for row in ask(made, "stars")[0]} == {None}


@pytest.mark.parametrize("level", [0.9, 0.95])
def test_intervals(made: MadeLake, level: float) -> None:
    """DeLong's of an AUC; Fisher's of a correlation, with the variance of Bonett and Wright."""
    width = stats.norm.ppf((1 + level) / 2)
    x, (labels,) = looked_at(made, "label")
    for row in ask(made, "label", level=level)[0]:
        a, b = (x[labels == label, row["feature"]] for label in ("pos", "neg"))
        order = (a[:, None] > b) + (a[:, None] == b) / 2
        error = np.sqrt(
            order.mean(axis=1).var(ddof=1) / len(a) + order.mean(axis=0).var(ddof=1) / len(b)
        )
        reach = width * error
        assert row["ci_low"] == pytest.approx(max(row["effect"] - reach, 0))
        assert row["ci_high"] == pytest.approx(min(row["effect"] + reach, 1))
    n = len(looked_at(made, "stars")[0])
    for row in ask(made, "stars", level=level)[0]:
        rho = row["effect"]
        reach = width * np.sqrt((1 + rho**2 / 2) / (n - 3))
        assert row["ci_low"] == pytest.approx(np.tanh(np.arctanh(rho) - reach))
        assert row["ci_high"] == pytest.approx(np.tanh(np.arctanh(rho) + reach))


def test_nothing_is_comparable(made: MadeLake) -> None:
    """Strata that are the classes: null, not 1."""
    x, _ = looked_at(made, "label")
    units = RankUnits(stratum=(np.arange(len(x)) % 2).astype(np.int64))
    table = pa.table({"kind": [f"k{i % 2}" for i in range(len(x))]})
    measure = measured(table, units, 0.95)
    found = measure(values_of(x))
    assert np.isnan(found.effect).all()
    assert np.isnan(found.p).all()
    assert measure.about.n_silent == len(x)


# -- Documents held back, and length.


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """Long documents, whose first feature decides the column; others do with length."""
    folder = tmp_path_factory.mktemp("telling")
    given: dict[str, Any] = {
        "n_documents": 400,
        "n_features": 30,
        "tokens": (1, 40),
        "density": 0.04,
        "seed": 9,
        "n_fragments": 1,
        "n_indexed": 1,
    }
    plain = make_lake(folder / "plain", **given)
    x = plain.embeddings()
    random = np.random.default_rng(0)
    n_tokens = np.array([len(words) for words in plain.words])
    chance = random.random(400)
    own = {
        "own": pa.array(np.where(chance < 0.8, x[:, 3] > 0, chance < 0.9)),
        "long": pa.array(n_tokens + 40 * chance > 40),
        "tokens": pa.array(n_tokens),
        "nothing": pa.array(chance),
        "east": pa.array(n_tokens + chance),
        "north": pa.array(chance),
    }
    return make_lake(folder / "made", columns=own, **given)


def test_found_and_confirmed(telling: MadeLake) -> None:
    rows, said = ask(telling, "own", control=("length()",), confirm=True)
    found = [row for row in rows if row["q_value"] < 0.05]
    assert [row["feature"] for row in rows if row["confirmed_p_value"] is not None] == [
        row["feature"] for row in found
    ]
    by_feature = {row["feature"]: row for row in rows}
    assert by_feature[3]["confirmed_q_value"] < 1e-6
    assert by_feature[3]["confirmed_effect"] > 0.6
    assert int(said["n_found"]) == len(found) >= int(said["n_confirmed"]) >= 1
    assert int(said["n"]) < 250  # about half of them
    p = [row["confirmed_p_value"] for row in found]
    assert [row["confirmed_q_value"] for row in found] == pytest.approx(
        stats.false_discovery_control(p).tolist()
    )
    assert any(note.startswith("50% of the documents chose") for note in said["notes"])


def test_a_class_is_confirmed_as_it_was_chosen(made: MadeLake) -> None:
    rows, said = ask(made, "topic", confirm=True, confirm_share=0.3)
    assert said["confirm_share"] == "0.3"
    assert all(row["confirmed_p_value"] is None for row in rows if row["q_value"] >= 0.05)


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (("long",), "Length alone goes with it: AUC 0."),
        (("tokens",), "Length alone goes with it: Spearman's correlation 1.00"),
        (("east", "north"), "Length alone goes with it: Moran's I 1.00"),
    ],
)
def test_length_alone_is_told(telling: MadeLake, names: tuple[str, ...], said: str) -> None:
    _, about = ask(telling, *names)
    (note,) = about["notes"]
    assert note.startswith(said)
    assert float(about["length_p_value"]) < 1e-6
    assert (" of the number of tokens for True." in note) == (names == ("long",))
    assert ("control=length()" in note) == (len(names) == 1)


def test_length_alone_is_as_any_feature(telling: MadeLake) -> None:
    _, said = ask(telling, "long")
    n_tokens = np.array([len(words) for words in telling.words])
    positive = np.random.default_rng(0).random(400) * 40 + n_tokens > 40
    expected = one_auc(n_tokens.astype(float), positive, np.zeros(400))
    assert float(said["length_effect"]) == pytest.approx(expected)


def test_length_that_does_nothing_is_not_told(telling: MadeLake) -> None:
    assert ask(telling, "nothing")[1]["notes"] == []
    notes = ask(telling, "long", control=("length()",))[1]["notes"]
    assert not any(note.startswith("Length") for note in notes)


@pytest.mark.parametrize(
    ("names", "how", "said"),
    [
        (("east", "north"), {"control": ("length()",)}, "Moran's I .* has no control"),
        (("east", "north"), {"cluster_by": "own"}, "no clusters"),
        (("long",), {"control": ("long",)}, "long is the column itself"),
        (("long",), {"cluster_by": "long"}, "long is the column itself"),
        (("long",), {"control": ("lnog",)}, "Did you mean 'long'"),
        (("long",), {"cluster_by": "lnog"}, "Did you mean 'long'"),
        (("long",), {"level": 1.0}, "level is a share between 0 and 1"),
        (("long",), {"confirm_share": 0.0}, "confirm_share is a share"),
    ],
)
def test_wrong_questions(
    telling: MadeLake, names: tuple[str, ...], how: dict[str, Any], said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        ask(telling, *names, **how)


# -- Calibration: of features that have nothing to do with the column 3 to 6 % have p < .05.


def stored(x: Floats) -> tuple[Ints, Ints, Floats]:
    """Features, rows and values that are not 0, sorted as they are gathered."""
    row, feature = np.nonzero(x)
    value = x[row, feature]
    order = np.lexsort((value, feature))
    return feature[order], row[order], value[order]


def values_of(x: Floats) -> Values:
    feature, row, value = stored(x)
    return Values(feature=feature, row=row, value=value, n=len(x), n_features=x.shape[1])


def share(found: Associated, x: Floats) -> float:
    enough = (x != 0).sum(axis=0) >= 20
    assert enough.sum() > 400
    return float((found.p[enough] < 0.05).mean())


def rare(random: np.random.Generator, n: int, n_features: int = 800) -> Floats:
    """Values of which most are 0, each feature of another frequency."""
    frequency = random.uniform(0.01, 0.5, n_features)
    found: Floats = np.where(random.random((n, n_features)) < frequency, random.random(), 0)
    return found * random.random((n, n_features))


@pytest.mark.parametrize("kind", ["two", "unequal", "numbers", "five"])
def test_calibrated_on_a_random_column(kind: str) -> None:
    random = np.random.default_rng(3)
    x = rare(random, 600)
    column = {
        "two": random.choice(["a", "b"], 600),
        "unequal": random.choice(["a", "b"], 600, p=[0.9, 0.1]),
        "numbers": random.integers(0, 9, 600),
        "five": random.choice(["a", "b", "c", "d", "e"], 600),
    }[kind]
    units = RankUnits(stratum=np.zeros(600, np.int64))
    found = measured(pa.table({"c": column}), units, 0.95)(values_of(x))
    assert 0.03 <= share(found, x) <= 0.06


@pytest.mark.parametrize("kind", ["label", "numbers"])
@pytest.mark.parametrize("whole", [True, False], ids=["whole clusters", "parts of clusters"])
def test_calibrated_by_clusters(kind: str, *, whole: bool) -> None:
    """Authors have features of their own, and mostly one value; documents alone mislead."""
    random = np.random.default_rng(4)
    cluster = np.sort(random.integers(0, 150, 900))
    own = random.random((150, 800)) < random.uniform(0.02, 0.4, 800)
    x = rare(random, 900) * 0.3 + own[cluster] * (random.random((900, 800)) < 0.7)
    by_author, alone = random.integers(0, 2, 150)[cluster], random.integers(0, 2, 900)
    of = np.where(random.random(900) < (1 if whole else 0.7), by_author, alone)
    column = of if kind == "numbers" else of.astype(bool)
    table = pa.table({"c": column})
    plain = measured(table, RankUnits(stratum=np.zeros(900, np.int64)), 0.95)(values_of(x))
    units = RankUnits(stratum=np.zeros(900, np.int64), cluster=cluster)
    found = measured(table, units, 0.95)(values_of(x))
    assert share(plain, x) > 0.12
    assert 0.03 <= share(found, x) <= 0.06


@pytest.mark.parametrize("kind", ["label", "numbers"])
@pytest.mark.parametrize("clustered", [False, True])
def test_calibrated_within_lengths(kind: str, *, clustered: bool) -> None:
    """Both the column and the features follow length, and nothing else."""
    random = np.random.default_rng(5)
    n_tokens = random.integers(5, 200, 1200)
    chance = 1 - (1 - random.uniform(0.0005, 0.008, 800)) ** n_tokens[:, None]
    x = (random.random((1200, 800)) < chance) * random.random((1200, 800))
    of = n_tokens / 200 + random.random(1200)
    table = pa.table({"c": of if kind == "numbers" else of > 1})
    plain = measured(table, RankUnits(stratum=np.zeros(1200, np.int64)), 0.95)(values_of(x))
    strata = np.searchsorted(np.quantile(n_tokens, np.arange(1, 20) / 20), n_tokens)
    cluster = random.integers(0, 300, 1200) if clustered else None
    found = measured(table, RankUnits(stratum=strata, cluster=cluster), 0.95)(values_of(x))
    assert share(plain, x) > 0.5
    assert 0.03 <= share(found, x) <= 0.06
