"""`families` equals connected components found by walking, over pairs counted one by one."""

from itertools import combinations
from math import log
from typing import Any

import numpy as np
import pytest

from saelake.store.engine import Engine
from saelake.store.errors import InvalidFilter, InvalidInput, NotFound
from saelake.store.requests.families import FamiliesQuery
from tests.lakes import MadeLake, make_lake

MADE = "made/random"
Pair = tuple[int, int]


@pytest.fixture(scope="module", params=["plain", "signed"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(
        tmp_path_factory.mktemp("lake"),
        n_documents=80,
        n_features=15 if request.param == "signed" else 30,  # 30 poles in either case
        density=0.08 if request.param == "signed" else 0.04,
        signed=request.param == "signed",
        failed=[(4, 0), (30, 0)],
    )


def ask(made: MadeLake, **how: Any) -> list[dict[str, Any]]:
    given = {"collection": MADE, "min_documents": 3, "max_coverage": 1.0, "k": None, **how}
    answer = Engine(made.lake.uri).ask(FamiliesQuery(**given)).read_all()
    rows: list[dict[str, Any]] = made.unsigned(answer.to_pylist())
    return rows


def brute_force(
    made: MadeLake, *, floor: float, least: int = 3, where: str | None = None
) -> list[dict[str, Any]]:
    docs = [d for d in made.tokens() if where is None or made.labels[d] == where]
    fires = made.embeddings("binary")[docs] > 0
    edges: dict[Pair, float] = {}
    for a, b in combinations(range(made.n_features), 2):
        counts = (
            int((fires[:, a] & fires[:, b]).sum()),
            int(fires[:, a].sum()),
            int(fires[:, b].sum()),
        )
        if counts[0] >= least:
            p, p_a, p_b = (count / len(docs) + 1e-10 for count in counts)
            npmi = log(p / (p_a * p_b)) / -log(p)
            if npmi >= floor:
                edges[a, b] = npmi
    found = [family(group, edges, fires) for group in components(made.n_features, list(edges))]
    return sorted(found, key=lambda row: (-row["n_features"], min(row["features"])))


def components(n: int, edges: list[Pair]) -> list[set[int]]:
    """Groups of two and more that edges connect: every edge merges the groups of its ends."""
    group = {feature: {feature} for feature in range(n)}
    for a, b in edges:
        merged = group[a] | group[b]
        group |= dict.fromkeys(merged, merged)
    unique = {min(members): members for members in group.values()}
    return [members for members in unique.values() if len(members) > 1]


def family(members: set[int], edges: dict[Pair, float], fires: Any) -> dict[str, Any]:
    inside = [npmi for pair, npmi in edges.items() if pair[0] in members]
    return {
        "n_features": len(members),
        "n_pairs": len(inside),
        "mean_npmi": pytest.approx(float(np.mean(inside))),
        "features": sorted(members, key=lambda f: (-fires[:, f].sum(), f)),
        "labels": [None] * len(members),
    }


@pytest.mark.parametrize("floor", [0.3, 0.35, 0.4])
@pytest.mark.parametrize("where", [None, "pos"])
def test_families(made: MadeLake, floor: float, where: str | None) -> None:
    expected = brute_force(made, floor=floor, where=where)
    assert expected
    rows = ask(made, min_npmi=floor, where=where and f"label = '{where}'")
    assert [row.pop("family") for row in rows] == list(range(len(expected)))
    assert rows == expected


def test_there_are_several(made: MadeLake) -> None:
    """The test above is of more than one family, and of chains: members that are no pair."""
    rows = ask(made, min_npmi=0.35)
    assert len(rows) > 1
    assert any(row["n_pairs"] < row["n_features"] * (row["n_features"] - 1) / 2 for row in rows)


def test_fewest_documents(made: MadeLake) -> None:
    rows = ask(made, min_npmi=0.1, min_documents=6)
    expected = brute_force(made, floor=0.1, least=6)
    assert [row["features"] for row in rows] == [row["features"] for row in expected]
    assert [row["n_pairs"] for row in rows] == [row["n_pairs"] for row in expected]
    assert expected != brute_force(made, floor=0.1)


def test_the_largest_k(made: MadeLake) -> None:
    every = ask(made, min_npmi=0.35)
    assert ask(made, min_npmi=0.35, k=1) == every[:1]
    assert ask(made, min_npmi=0.35, k=1000) == every


def test_no_families(made: MadeLake) -> None:
    assert ask(made, min_npmi=1.0) == []
    assert ask(made, where="length > 1000") == []
    assert ask(made, where="id = 'd1'") == []
    assert ask(made, min_documents=81) == []


@pytest.mark.parametrize(
    ("how", "error", "said"),
    [
        ({"min_npmi": 2.0}, InvalidInput, "from -1 to 1"),
        ({"min_documents": 0}, InvalidInput, "min_documents"),
        ({"where": "nosuch = 1"}, InvalidFilter, "nosuch"),
        ({"collection": "made/none"}, NotFound, "made/random"),
    ],
)
def test_wrong_questions(
    made: MadeLake, how: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        ask(made, **how)
