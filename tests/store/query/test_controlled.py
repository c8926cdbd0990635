"""`correlate` and `families` with a control, counted stratum by stratum over dense embeddings."""

import json
from collections.abc import Sequence
from itertools import combinations
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from scipy import stats

from saelake.store.codes import embeddings
from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput
from saelake.store.query.parts import controlled, together
from saelake.store.requests.checks import Selection
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.families import FamiliesQuery
from tests.lakes import MadeLake, make_lake

MADE = "made/random"
WHOLE = Selection(collection=MADE)
N = 90
SOURCES = [None if i % 13 == 5 else f"s{i * 7 % 11 % 3}" for i in range(N)]
Fires = npt.NDArray[np.bool_]


@pytest.fixture(scope="module", params=["plain", "signed"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(
        tmp_path_factory.mktemp("lake"),
        n_documents=N,
        density=0.1,
        signed=request.param == "signed",
        columns={"source": pa.array(SOURCES)},
        failed=[(4, 0), (12, 0)],
    )


def ask(made: MadeLake, **how: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    given = {"min_npmi": -1.0, "min_documents": 1, "max_coverage": 1.0, "k": None, **how}
    table = Engine(made.lake.uri).ask(CorrelateQuery(a=WHOLE, **given)).read_all()
    said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    return made.unsigned(table.to_pylist()), said | {"notes": json.loads(said["notes"])}


def known(made: MadeLake) -> tuple[Fires, list[str]]:
    """Where features fire in the encoded documents that have a source, and these."""
    docs = [doc for doc in made.tokens() if SOURCES[doc] is not None]
    return made.embeddings("binary")[docs] > 0, [str(SOURCES[doc]) for doc in docs]


def one_expected(a: Fires, b: Fires, strata: Sequence[str]) -> float:
    total = 0.0
    for stratum in set(strata):
        inside = np.array(strata) == stratum
        total += a[inside].sum() * b[inside].sum() / inside.sum()
    return total


def brute_force(made: MadeLake) -> dict[tuple[int, int], dict[str, float]]:
    x, strata = known(made)
    n, found = len(x), {}
    for i, j in combinations(range(made.n_features), 2):
        n_both, expected = int((x[:, i] & x[:, j]).sum()), one_expected(x[:, i], x[:, j], strata)
        if n_both:
            p, e, p_i, p_j = (
                m / n + 1e-10 for m in (n_both, expected, x[:, i].sum(), x[:, j].sum())
            )
            found[i, j] = {
                "n_both": n_both,
                "expected": expected,
                "controlled_npmi": log(p / e) / -log(p),
                "npmi": log(p / (p_i * p_j)) / -log(p),
            }
    return found


def exact_p(made: MadeLake, i: int, j: int) -> float:
    """The two-sided mid-p of a pair, from the whole distribution of its count."""
    x, strata = known(made)
    chance = np.ones(1)
    for stratum in sorted(set(strata)):
        inside = np.array(strata) == stratum
        drawn = stats.hypergeom(inside.sum(), x[inside, i].sum(), x[inside, j].sum())
        chance = np.convolve(chance, drawn.pmf(np.arange(inside.sum() + 1)))
    n_both = int((x[:, i] & x[:, j]).sum())
    upper = chance[n_both:].sum() - chance[n_both] / 2
    return float(min(2 * min(upper, 1 - upper), 1))


def check(rows: list[dict[str, Any]], expected: dict[tuple[int, int], dict[str, float]]) -> None:
    found = {(row["feature_a"], row["feature_b"]): row for row in rows}
    order = sorted(expected, key=lambda p: (-round(expected[p]["controlled_npmi"], 12), p))
    assert list(found) == order
    for pair, row in expected.items():
        assert {name: found[pair][name] for name in row} == pytest.approx(row)


def test_pairs_within_strata(made: MadeLake) -> None:
    rows, said = ask(made, control=("source",))
    expected = brute_force(made)
    check(rows, expected)
    assert any(abs(row["npmi"] - row["controlled_npmi"]) > 0.02 for row in rows)
    for row in rows:
        p = exact_p(made, row["feature_a"], row["feature_b"])
        assert abs(log(row["p_value"] / p)) < log(1.5)
    n = len(known(made)[0])
    assert (said["n"], said["unit"], said["control"]) == (str(n), "document", "source (3 values)")
    assert said["n_tested"] == str(made.n_features * (made.n_features - 1) // 2)
    assert "Cochran-Mantel-Haenszel" in said["test"]
    note, missing = said["notes"]
    assert missing == "2 documents are not encoded, and are left out."
    assert note.startswith(f"{N - 2 - n} of {N - 2} documents have no value")
    q = stats.false_discovery_control([row["p_value"] for row in rows])
    assert [row["q_value"] for row in rows] == pytest.approx(q.tolist(), rel=0.003)


@pytest.mark.parametrize("cache_bytes", [0, 1 << 20])
def test_in_small_parts(made: MadeLake, cache_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few bits or none kept, few pairs and documents at a time: the answer is the same."""
    whole = [ask(made, control=("source",), **how)[0] for how in ({}, {"features": (2, 5), "k": 9})]
    monkeypatch.setattr(together, "COUNTS_BYTES", 4 * 12 * 3)
    monkeypatch.setattr(controlled, "CELLS_AT_ONCE", 10)
    monkeypatch.setattr(controlled, "FEW_STRATA", 0 if cache_bytes else 64)
    monkeypatch.setattr(embeddings, "SCAN_ROWS", 4)
    monkeypatch.setattr(embeddings, "PIECE_ROWS", 8)
    assert [
        ask(made, control=("source",), **how)[0] for how in ({}, {"features": (2, 5), "k": 9})
    ] == whole


def test_a_test_counts_every_pair_that_could_be(made: MadeLake) -> None:
    """Pairs that fire together too seldom to be given are tests all the same."""
    rows, said = ask(made, control=("source",), min_documents=16, max_coverage=0.5)
    x, _ = known(made)
    fires = x.sum(axis=0)
    able = int(((fires >= 16) & (fires <= len(x) / 2)).sum())
    n_tested = able * (able - 1) // 2
    assert said["n_tested"] == str(n_tested)
    assert len(rows) < n_tested
    p = [row["p_value"] for row in rows]
    q = stats.false_discovery_control([*p, *[1.0] * (n_tested - len(p))])[: len(p)]
    assert [row["q_value"] for row in rows] == pytest.approx(q.tolist(), rel=0.003)


def test_families_within_strata(made: MadeLake) -> None:
    given = {"min_documents": 3, "max_coverage": 1.0, "min_npmi": 0.02, "k": None}
    query = FamiliesQuery(collection=MADE, control=("source",), **given)  # type: ignore[arg-type]
    table = Engine(made.lake.uri).ask(query).read_all()
    edges = {
        pair: row["controlled_npmi"]
        for pair, row in brute_force(made).items()
        if row["n_both"] >= 3 and row["controlled_npmi"] >= 0.02
    }
    assert 0 < len(edges) < made.n_features * (made.n_features - 1) // 2
    assert sum(table["n_pairs"].to_pylist()) == len(edges)
    for row in made.unsigned(table.to_pylist()):
        inside = [npmi for pair, npmi in edges.items() if set(pair) <= set(row["features"])]
        assert row["mean_npmi"] == pytest.approx(np.mean(inside))
    assert table.schema.metadata[b"control"] == b"source (3 values)"


def test_too_many_strata(made: MadeLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(controlled, "MOST_CELLS", 20)
    with pytest.raises(
        InvalidInput, match=f"3 strata, too many to count {made.n_features} features"
    ):
        ask(made, control=("source",))


def test_aligned_texts_have_no_control(made: MadeLake) -> None:
    with pytest.raises(InvalidInput, match="leave out control"):
        ask(made, b=WHOLE, align="source", control=("length()",))


# -- Length: codes that are independent given the number of tokens.


@pytest.fixture(scope="module")
def lengthy(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(
        tmp_path_factory.mktemp("lengthy"),
        n_documents=1200,
        n_features=60,
        tokens=(1, 60),
        density=0.012,
        seed=11,
        n_fragments=1,
        n_indexed=1,
    )


def test_length_makes_features_go_together(lengthy: MadeLake) -> None:
    """Nothing is there but length: the plain answer says so, the controlled one has nothing."""
    plain, said = ask(lengthy, min_npmi=0.05, min_documents=10)
    assert len(plain) > 100
    (note,) = said["notes"]
    assert note.startswith("Length drives")
    assert note.endswith("try control=length().")  # there is a column of that name
    rows, said = ask(lengthy, control=("length()",), min_documents=10)
    assert said["control"] == "length in 30 bins"
    assert not any("Length" in note for note in said["notes"])
    strong = [row for row in rows if row["controlled_npmi"] >= 0.05]
    assert len(strong) < len(plain) / 10
    assert np.median([row["npmi"] for row in rows]) > 0.03
    assert abs(np.median([row["controlled_npmi"] for row in rows])) < 0.01
    assert min(row["q_value"] for row in rows) > 0.05


def test_stratified_p_values_are_calibrated(lengthy: MadeLake) -> None:
    """Of pairs that have nothing to do with each other given length, 3 to 6 % have p < .05."""
    rows, _ = ask(lengthy, control=("length()",), min_documents=1)
    p = np.array([row["p_value"] for row in rows if row["expected"] >= 5])
    assert len(p) > 1500
    assert 0.03 <= (p < 0.05).mean() <= 0.06
    assert stats.kstest(p, "uniform").statistic < 0.05


def test_what_length_does_not_drive_is_not_said(made: MadeLake) -> None:
    _, said = ask(made, min_npmi=-1.0)
    assert not any("Length" in note for note in said["notes"])
