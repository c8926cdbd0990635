"""Where sides differ by chance alone about 5 % of p-values are under .05, whatever the unit.

Of made documents whose tokens depend on one another, and that depend on those of their author;
`python -m benchmarks calibration` does the same with real ones. Seeds are fixed.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from saelake.store.engine import Engine
from saelake.store.requests.checks import Selection
from saelake.store.requests.diff import DiffQuery
from tests.lakes import lake_of

N, D, PER_AUTHOR, SPLITS = 480, 150, 4, 4
LEAST, MOST = 0.025, 0.07

Ints = npt.NDArray[np.int64]


def side(column: str, value: int) -> Selection:
    return Selection(collection="made/random", where=f"{column} = {value}")


@dataclass(frozen=True, slots=True)
class Asked:
    """A lake of which columns tell random sides, and what asks about it."""

    engine: Engine

    def table(self, column: str, n_sides: int = 2, **asked: Any) -> pa.Table:
        sides = [side(column, value) for value in range(n_sides)]
        query = DiffQuery(a=sides[0], others=tuple(sides[1:]), k=None, examples=False, **asked)
        return self.engine.ask(query).read_all()

    def share(self, kind: str, n_sides: int = 2, column: str = "p_value", **asked: Any) -> float:
        """The share of values under .05, over all features and splits."""
        tables = [self.table(f"{kind}{i}", n_sides, **asked) for i in range(SPLITS)]
        values = np.concatenate([table[column].to_numpy() for table in tables])
        assert len(values) > 0.9 * D * SPLITS
        return float((values < 0.05).mean())


def fired(random: np.random.Generator, n_tokens: Sequence[int], rates: Any) -> list[Any]:
    """Codes (n_tokens, D) of documents with these rates (n_documents, D)."""
    chances = zip(n_tokens, np.minimum(rates, 0.9), strict=True)
    return [(random.random((n, D)) < rate).astype(np.float32) for n, rate in chances]


@pytest.fixture(scope="module")
def dependent(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Documents like others of their author, of tokens like others of their document."""
    random = np.random.default_rng(1)
    author = np.repeat(np.arange(N // PER_AUTHOR), PER_AUTHOR)
    base = random.uniform(0.004, 0.05, D)
    of_author = random.gamma(0.7, 1 / 0.7, (N // PER_AUTHOR, D))[author]
    rates = base * of_author * random.gamma(0.5, 2, (N, D))
    columns = {"author": pa.array(author)}
    for i in range(SPLITS):
        by_author = random.integers(0, 2, N // PER_AUTHOR)[author]
        within = np.concatenate([random.permutation(PER_AUTHOR) for _ in range(N // PER_AUTHOR)])
        columns |= {f"authors{i}": pa.array(by_author), f"within{i}": pa.array(within)}
        columns[f"one{i}"] = pa.array(np.minimum(within, 1))
    tokens = fired(random, random.integers(8, 30, N).tolist(), rates)
    return Asked(
        Engine(lake_of(tmp_path_factory.mktemp("c") / "lake", tokens, columns=columns).uri)
    )


@pytest.fixture(scope="module")
def separate(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Documents that do not depend on one another, of tokens that do."""
    random = np.random.default_rng(2)
    rates = random.uniform(0.004, 0.05, D) * random.gamma(0.4, 2.5, (N, D))
    columns = {}
    for i in range(SPLITS):
        columns[f"halves{i}"] = pa.array(random.integers(0, 2, N))
        columns[f"few{i}"] = pa.array((random.random(N) > 0.15).astype(np.int64))
        columns[f"five{i}"] = pa.array(random.integers(0, 5, N))
    tokens = fired(random, random.integers(8, 30, N).tolist(), rates)
    return Asked(
        Engine(lake_of(tmp_path_factory.mktemp("s") / "lake", tokens, columns=columns).uri)
    )


@pytest.mark.parametrize("kind", ["halves", "few"])
@pytest.mark.parametrize("unit", ["document", "token"])
def test_separate_documents(separate: Asked, unit: str, kind: str) -> None:
    assert LEAST < separate.share(kind, unit=unit) < MOST
    assert separate.share(kind, unit=unit, column="q_value") < 0.01


@pytest.mark.parametrize("unit", ["document", "token"])
def test_one_against_many(separate: Asked, unit: str) -> None:
    assert LEAST < separate.share("five", 5, unit=unit) < MOST


@pytest.mark.parametrize("unit", ["document", "token"])
@pytest.mark.parametrize("kind", ["authors", "one"])
def test_clusters(dependent: Asked, unit: str, kind: str) -> None:
    """Authors on one side each, and authors on both."""
    assert LEAST < dependent.share(kind, unit=unit, cluster_by="author") < MOST
    if kind == "authors":
        assert dependent.share(kind, unit=unit) > 0.1  # of dependent documents, as if they were not


@pytest.mark.parametrize(("kind", "n_sides"), [("one", 2), ("within", 2), ("within", 4)])
def test_aligned(dependent: Asked, kind: str, n_sides: int) -> None:
    """One against three, one against one, and one against three others."""
    assert LEAST < dependent.share(kind, n_sides, align="author") < MOST


# --- length ---


@pytest.fixture(scope="module")
def unlike(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Documents of all lengths: cut at their median, and more often on one side if long."""
    random = np.random.default_rng(3)
    n_tokens = np.round(np.exp(random.normal(3, 0.6, N))).astype(np.int64) + 2
    place = np.argsort(np.argsort(n_tokens)) / N
    columns = {
        "hard0": pa.array((n_tokens > np.median(n_tokens)).astype(np.int64)),
        **{
            f"soft{i}": pa.array((random.random(N) < 0.15 + 0.7 * place).astype(np.int64))
            for i in range(SPLITS)
        },
    }
    rates = np.broadcast_to(random.uniform(0.005, 0.05, D), (N, D))
    tokens = fired(random, n_tokens.tolist(), rates)
    return Asked(
        Engine(lake_of(tmp_path_factory.mktemp("u") / "lake", tokens, columns=columns).uri)
    )


def notes(table: pa.Table) -> list[str]:
    found: list[str] = json.loads(table.schema.metadata[b"notes"])
    return found


def test_length_alone_makes_features_differ(unlike: Asked) -> None:
    assert unlike.share("soft", column="q_value") > 0.5
    assert unlike.share("soft", column="q_value", control=("length()",)) < 0.01
    assert LEAST < unlike.share("soft", control=("length()",)) < MOST
    assert LEAST < unlike.share("soft", unit="token") < MOST


def test_length_is_said(unlike: Asked) -> None:
    table = unlike.table("hard0")
    n = int((table["q_value"].to_numpy() < 0.05).sum())
    a, b = (float(table.schema.metadata[name]) for name in (b"length_a", b"length_b"))
    assert a < b
    assert notes(table)[0] == (
        f"The sides differ in length (median {a:,.0f} against {b:,.0f} tokens): {n} features with "
        "q < .05 may follow length; try control=length()."
    )
    controlled = unlike.table("soft0", control=("length()",))
    assert not any("differ in length" in note for note in notes(controlled))


def test_documents_without_a_counterpart_of_their_length(unlike: Asked) -> None:
    table = unlike.table("hard0", control=("length()",))
    assert any("have no counterpart of their length" in note for note in notes(table)) or (
        notes(table)[0].startswith("Nothing can be compared")
    )
    q = table["q_value"].to_numpy(zero_copy_only=False).astype(np.float64)
    assert not (q < 0.05).any()


def test_like_lengths_are_not_mentioned(separate: Asked) -> None:
    for i in range(SPLITS):
        assert not any("length" in note for note in notes(separate.table(f"halves{i}")))


def test_a_lake_of_given_codes(tmp_path: Path) -> None:
    """It holds exactly these."""
    codes = [np.array([[1.0, 0], [0, 2]], np.float32), np.array([[0.0, 3]], np.float32)]
    lake = lake_of(tmp_path / "lake", codes, columns={"s": pa.array([0, 1])})
    rows = Asked(Engine(lake.uri)).table("s").to_pylist()
    assert {r["feature"]: (r["frequency_a"], r["frequency_b"]) for r in rows} == {
        0: (1.0, 0.0),
        1: (1.0, 1.0),
    }
