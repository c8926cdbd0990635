"""Differences of tokens, clusters, aligned and controlled documents, against dense twins."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput
from saelake.store.format.chances import hashed
from saelake.store.query.parts import scored as module
from saelake.store.requests.checks import Selection
from saelake.store.requests.diff import DiffQuery
from tests.lakes import MadeLake, by_pole, make_lake
from tests.stateless import stateless

N, D = 60, 14
RANDOM = np.random.default_rng(9)
KEYS = [None if k == 0 else f"k{k}" for k in RANDOM.integers(0, 12, N)]
SIDES = RANDOM.choice(["a", "b", "c"], N, p=[0.3, 0.5, 0.2])
NUMBERS = RANDOM.permutation(N)
FAILED = {(7, 0), (20, 0)}
COLUMNS = {
    "key": pa.array(KEYS, pa.string()),
    "side": pa.array(SIDES),
    "number": pa.array(NUMBERS, pa.int64()),
}

Floats = npt.NDArray[np.float64]


@pytest.fixture(scope="module", params=["plain", "signed"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """Of D features, or of as many poles, each as rare."""
    signed = request.param == "signed"
    return make_lake(
        tmp_path_factory.mktemp("units") / "lake",
        seed=1,
        n_documents=N,
        n_features=D // 2 if signed else D,
        density=0.06 if signed else 0.03,
        signed=signed,
        columns=COLUMNS,
        failed=FAILED,
    )


@pytest.fixture(scope="module")
def engine(made: MadeLake) -> Engine:
    return Engine(made.lake.uri)


def where(predicate: str | None) -> Selection:
    return Selection(collection="made/random", where=predicate)


A, B, C = (where(f"side = '{side}'") for side in "abc")
MASKS = {
    "side = 'a'": SIDES == "a",
    "side = 'b'": SIDES == "b",
    "side = 'c'": SIDES == "c",
    "number < 40": NUMBERS < 40,
    None: np.ones(N, np.bool_),
}


def ask(engine: Engine, *sides: Selection, **asked: Any) -> pa.Table:
    query = DiffQuery(a=sides[0], others=sides[1:], k=None, examples=False, **asked)
    table = stateless(engine.ask(query).read_all())
    if "pole" not in table.schema.names:
        return table
    counted = pa.Table.from_pylist(by_pole(table.to_pylist(), D // 2), DiffQuery.answer)
    return counted.replace_schema_metadata(table.schema.metadata)


def notes(table: pa.Table) -> list[str]:
    found: list[str] = json.loads(table.schema.metadata[b"notes"])
    return found


# --- the twin: dense, a unit and a stratum at a time ---


@dataclass(frozen=True, slots=True)
class Unit:
    """What fires in a unit on both sides, (D,), and how many documents or tokens it has there."""

    x_a: Floats
    x_b: Floats
    n_a: float
    n_b: float

    @property
    def is_mixed(self) -> bool:
        return self.n_a > 0 and self.n_b > 0


@dataclass(frozen=True, slots=True)
class Twin:
    """Units by stratum; with `by_value` each stratum counts 1 and is one unit."""

    strata: Sequence[Sequence[Unit]]
    documents: bool
    by_value: bool = False

    def rows(self) -> dict[int, tuple[float, float, float]]:
        """By feature the two rates and the p-value."""
        return {f: self.row(f) for f in range(D) if self.fires(f)}

    def fires(self, f: int) -> bool:
        return any(u.x_a[f] + u.x_b[f] > 0 for units in self.strata for u in units)

    def row(self, f: int) -> tuple[float, float, float]:
        score = robust = exchangeable = third = weights = rate_a = rate_b = 0.0
        cells: list[list[tuple[float, float]]] = []
        n_fires = 0
        mixed = any(u.is_mixed for units in self.strata for u in units)
        for units in self.strata:
            t_a, t_b = sum(u.n_a for u in units), sum(u.n_b for u in units)
            alpha, beta = t_b / (t_a + t_b), t_a / (t_a + t_b)
            weight = t_a * t_b / (t_a + t_b)
            scale = 1 / weight if self.by_value else 1.0
            x_a, x_b = sum(u.x_a[f] for u in units), sum(u.x_b[f] for u in units)
            r, n = (x_a + x_b) / (t_a + t_b), len([u for u in units if u.n_a + u.n_b > 0])
            own = (alpha * x_a - beta * x_b) * scale
            rate_a += x_a / t_a * weight * scale
            rate_b += x_b / t_b * weight * scale
            score, weights = score + own, weights + weight * scale
            z = [alpha * (u.x_a[f] - r * u.n_a) - beta * (u.x_b[f] - r * u.n_b) for u in units]
            robust += own**2 if self.by_value else n / max(n - 1, 1) * np.square(z).sum()
            e = np.array([u.x_a[f] + u.x_b[f] - r * (u.n_a + u.n_b) for u in units])
            share = len([u for u in units if u.n_a > 0]) / n
            if n > 1:
                c2 = n / (n - 1) * (alpha**2 * share + beta**2 * (1 - share))
                exchangeable += c2 * (e**2).sum() * scale**2
            if n > 2:
                c3 = n * n / (n - 1) / (n - 2) * (alpha**3 * share - beta**3 * (1 - share))
                third += c3 * (e**3).sum() * scale**3
            here = [u for u in units if u.x_a[f] + u.x_b[f] > 0]
            n_fires += len(here)
            cells += self.cells(here, f, t_a, t_b, scale)
        if self.by_value and self.in_pairs():
            up, down = (robust + score) / 2, (robust - score) / 2  # pairs with one side alone
            coins = [[(1.0, 0.5), (-1.0, 0.5)]] * round(up + down)
            return rate_a / weights, rate_b / weights, mid(score, coins)
        n_units = sum(len(units) for units in self.strata)
        few = n_fires <= 12 and (self.documents or 4 * n_fires <= n_units)
        if few and not (mixed and self.documents):
            return rate_a / weights, rate_b / weights, mid(score, cells)
        variance = robust if mixed else max(exchangeable, robust)
        if variance == 0 or abs(score) < 1e-9:
            return rate_a / weights, rate_b / weights, 1.0
        skew = 0.0 if mixed else third / variance**1.5
        drawn = stats.pearson3(skew, scale=variance**0.5)
        p = 2 * min(drawn.cdf(score), drawn.sf(score))
        return rate_a / weights, rate_b / weights, p

    def in_pairs(self) -> bool:
        return all(
            sum(u.n_a for u in units) == sum(u.n_b for u in units) == 1 for units in self.strata
        )

    def cells(
        self, here: Sequence[Unit], f: int, t_a: float, t_b: float, scale: float
    ) -> Iterator[list[tuple[float, float]]]:
        """What might have happened: values with chances."""
        alpha, k = t_b / (t_a + t_b), len(here)
        if self.documents and k:
            drawn = stats.hypergeom(t_a + t_b, k, t_a)
            points = [(a - k * (1 - alpha), float(drawn.pmf(a))) for a in range(k + 1)]
            yield [(value * scale, chance) for value, chance in points if chance > 0]
            return
        for u in here:
            if u.is_mixed:
                y = alpha * u.x_a[f] - (1 - alpha) * u.x_b[f]
                yield [(y * scale, 0.5), (-y * scale, 0.5)]
            else:
                x = (u.x_a[f] + u.x_b[f]) * scale
                yield [(alpha * x, 1 - alpha), (-(1 - alpha) * x, alpha)]


def mid(score: float, cells: list[list[tuple[float, float]]]) -> float:
    """Twice the smaller tail, with half of what was found, over all outcomes."""
    outcomes = {0.0: 1.0}
    for cell in cells:
        after: dict[float, float] = {}
        for (total, chance), (value, own) in product(outcomes.items(), cell):
            key = round(total + value, 9)
            after[key] = after.get(key, 0) + chance * own
        outcomes = after
    lower = sum(chance for value, chance in outcomes.items() if value < score - 1e-6)
    upper = sum(chance for value, chance in outcomes.items() if value > score + 1e-6)
    return min(min(lower, upper) * 2 + (1 - lower - upper), 1)


def unit_of(made: MadeLake, docs: Sequence[int], side: Selection, other: Selection,
            *, tokens: bool) -> Unit:  # fmt: skip
    """These documents as one unit."""
    codes = made.tokens()
    parts = []
    for selection in (side, other):
        mine = [codes[d] for d in docs if d in codes and MASKS[selection.where][d]]
        if tokens:
            x = sum(((m > 0).sum(axis=0) for m in mine), np.zeros(D))
            parts.append((x, float(sum(map(len, mine)))))
        else:
            x = sum(((m > 0).any(axis=0) for m in mine), np.zeros(D))
            parts.append((x, float(len(mine))))
    return Unit(parts[0][0], parts[1][0], parts[0][1], parts[1][1])


def units(made: MadeLake, groups: Sequence[Sequence[int]], a: Selection, b: Selection,
          *, tokens: bool) -> list[Unit]:  # fmt: skip
    found = [unit_of(made, docs, a, b, tokens=tokens) for docs in groups]
    codes = made.tokens()
    used = [
        any(d in codes and (MASKS[a.where][d] or MASKS[b.where][d]) for d in docs)
        for docs in groups
    ]
    return [unit for unit, some in zip(found, used, strict=True) if some]


def comparable(strata: Sequence[Sequence[Unit]]) -> list[Sequence[Unit]]:
    return [s for s in strata if sum(u.n_a for u in s) > 0 and sum(u.n_b for u in s) > 0]


def check(table: pa.Table, twin: Twin) -> None:
    expected = twin.rows()
    rows = {row["feature"]: row for row in table.to_pylist()}
    for feature, (rate_a, rate_b, p) in expected.items():
        row = rows.pop(feature)
        assert row["frequency_a"] == pytest.approx(rate_a, abs=1e-9)
        assert row["frequency_b"] == pytest.approx(rate_b, abs=1e-9)
        assert row["difference"] == row["frequency_a"] - row["frequency_b"]
        assert row["p_value"] == pytest.approx(p, rel=1e-6, abs=1e-9)
        assert row["ci_low"] <= row["difference"] + 1e-12
        assert row["difference"] <= row["ci_high"] + 1e-12
    for row in rows.values():  # these fire where nothing is compared with them
        assert row["frequency_a"] == row["frequency_b"] == 0
        assert row["p_value"] == 1


ALL = [where(predicate) for predicate in MASKS]
two_sides = st.tuples(st.sampled_from(ALL), st.sampled_from(ALL))


# --- tokens and clusters ---


@settings(max_examples=25, deadline=None)
@given(sides=two_sides)
def test_documents_are_the_units_of_rates_of_tokens(
    made: MadeLake, engine: Engine, sides: tuple[Selection, Selection]
) -> None:
    found = ask(engine, *sides, unit="token")
    whole = units(made, [[d] for d in range(N)], *sides, tokens=True)
    if sides[0] != sides[1]:
        check(found, Twin([whole], documents=False))
    assert int(found.schema.metadata[b"n_a"]) == sum(u.n_a for u in whole)
    assert found.schema.metadata[b"unit"] == b"token"


@settings(max_examples=25, deadline=None)
@given(sides=two_sides, tokens=st.booleans())
def test_documents_of_one_value_are_a_unit(
    made: MadeLake, engine: Engine, sides: tuple[Selection, Selection], tokens: bool
) -> None:
    unit = "token" if tokens else "document"
    found = ask(engine, *sides, cluster_by="key", unit=unit)
    alone = [[d] for d in range(N) if KEYS[d] is None]
    by_key = [[d for d in range(N) if KEYS[d] == key] for key in sorted({k for k in KEYS if k})]
    check(found, Twin([units(made, by_key + alone, *sides, tokens=tokens)], documents=False))
    if any(MASKS[side.where][d] for side in sides for d in range(N) if KEYS[d] is None):
        assert any("have no key" in note for note in notes(found))


def test_few_values_are_said(engine: Engine) -> None:
    for options in ({"cluster_by": "label"}, {"align": "label"}):
        assert any(
            "of only 2 values of label" in note for note in notes(ask(engine, A, B, **options))
        )
    assert not any("of only" in note for note in notes(ask(engine, B, ALL[3], cluster_by="number")))


def test_clusters_of_one_document_are_documents(engine: Engine) -> None:
    plain = ask(engine, A, B, unit="token").to_pylist()
    clustered = ask(engine, A, B, unit="token", cluster_by="number").to_pylist()
    assert len(plain) == D
    same = {row["feature"]: row for row in clustered}
    for one in plain:
        other = same.pop(one["feature"])
        assert one["p_value"] == pytest.approx(other["p_value"])
        assert one["ci_low"] == pytest.approx(other["ci_low"])
    assert not same


def test_strata_and_clusters_are_read_some_at_a_time(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = [
        {"cluster_by": "key"},
        {"control": ("number",)},
        {"control": ("number",), "unit": "token"},
        {"align": "key"},
    ]
    whole = [ask(engine, A, B, **options) for options in asked]
    monkeypatch.setattr(module, "TILE_BYTES", 1)
    monkeypatch.setattr(module, "DENSE", 0)
    for options, before in zip(asked, whole, strict=True):
        after = ask(engine, A, B, **options)
        assert after.schema.metadata == before.schema.metadata
        for one, other in zip(before.to_pylist(), after.to_pylist(), strict=True):
            assert one["p_value"] == pytest.approx(other["p_value"])
            assert one["ci_high"] == pytest.approx(other["ci_high"])


# --- align ---


def by_value(made: MadeLake, a: Selection, b: Selection) -> list[Sequence[Unit]]:
    keys = sorted({key for key in KEYS if key})
    groups = [[[d] for d in range(N) if KEYS[d] == key] for key in keys]
    return comparable([units(made, g, a, b, tokens=False) for g in groups])


@settings(max_examples=25, deadline=None)
@given(sides=two_sides)
def test_all_partners_of_a_value_count(
    made: MadeLake, engine: Engine, sides: tuple[Selection, Selection]
) -> None:
    strata = by_value(made, *sides)
    found = ask(engine, *sides, align="key")
    check(found, Twin(strata, documents=True, by_value=True))
    said = found.schema.metadata
    for name, side in (("n_a", "n_a"), ("n_b", "n_b")):
        assert int(said[name.encode()]) == sum(getattr(u, side) for s in strata for u in s)
    assert int(said[b"n_values"]) == len(strata)


def test_documents_without_a_partner_are_counted(made: MadeLake, engine: Engine) -> None:
    found = ask(engine, A, C, align="key")
    n_a = sum(MASKS["side = 'a'"][d] for d in made.tokens())
    left_out = n_a - int(found.schema.metadata[b"n_a"])
    assert left_out > 0
    keyless = sum(MASKS["side = 'a'"][d] and KEYS[d] is None for d in made.tokens())
    assert keyless > 1
    assert (
        f"{left_out} of {n_a} documents of a have no partner with one key ({keyless} of them have "
        "no key) and are left out."
    ) in notes(found)


def test_pairs_are_mcnemars(tmp_path: Path) -> None:
    keys = pa.array([i // 2 for i in range(40)])
    sides = pa.array(["a", "b"] * 20)
    made = make_lake(tmp_path / "lake", n_documents=40, columns={"pair": keys, "side": sides})
    found = ask(Engine(made.lake.uri), A, B, align="pair")
    assert b"McNemar" in found.schema.metadata[b"test"]
    fires = made.embeddings() > 0
    for row in found.to_pylist():
        f = row["feature"]
        only_a = int((fires[::2, f] & ~fires[1::2, f]).sum())
        only_b = int((fires[1::2, f] & ~fires[::2, f]).sum())
        drawn = stats.binom(only_a + only_b, 0.5)
        least = min(only_a, only_b)
        expected = 2 * (drawn.cdf(least) - drawn.pmf(least) / 2)
        assert row["p_value"] == pytest.approx(expected if only_a + only_b else 1)


def test_a_selection_aligned_with_itself_differs_nowhere(engine: Engine) -> None:
    rows = ask(engine, B, B, align="key").to_pylist()
    assert rows
    assert {(row["difference"], row["p_value"], row["q_value"]) for row in rows} == {(0, 1, 1)}


def test_several_others_are_aligned_each(engine: Engine) -> None:
    several = {r["feature"]: r for r in ask(engine, A, B, C, align="key").to_pylist()}
    alone = [
        {r["feature"]: r for r in ask(engine, A, other, align="key").to_pylist()}
        for other in (B, C)
    ]
    for feature, row in several.items():
        differences = [rows.get(feature, {"difference": 0})["difference"] for rows in alone]
        chosen = int(np.argmin(np.round(differences, 12)))
        assert row["difference"] == differences[chosen]
        assert row["against"] == str((B, C)[chosen])


# --- control ---


def in_strata(made: MadeLake, values: Sequence[object], a: Selection, b: Selection,
              *, tokens: bool) -> list[Sequence[Unit]]:  # fmt: skip
    groups = [[[d] for d in range(N) if values[d] == v] for v in sorted({str(v) for v in values})]
    return comparable([units(made, g, a, b, tokens=tokens) for g in groups])


@settings(max_examples=20, deadline=None)
@given(sides=two_sides, tokens=st.booleans())
def test_documents_alike_are_compared(
    made: MadeLake, engine: Engine, sides: tuple[Selection, Selection], tokens: bool
) -> None:
    unit = "token" if tokens else "document"
    found = ask(engine, *sides, control=("key",), unit=unit)
    strata = in_strata(made, [str(key) if key else 0 for key in KEYS], *sides, tokens=tokens)
    if sides[0] != sides[1]:
        check(found, Twin(strata, documents=not tokens))
    assert found.schema.metadata[b"strata"].startswith(b"key (")


def test_raw_frequencies_are_of_all_documents(made: MadeLake, engine: Engine) -> None:
    plain = {r["feature"]: r for r in ask(engine, A, B).to_pylist()}
    for options in ({"control": ("key",)}, {"align": "key"}):
        rows = ask(engine, A, B, **options).to_pylist()
        assert any(row["frequency_a"] != row["raw_frequency_a"] for row in rows)
        for row in rows:
            for name in ("a", "b"):
                expected = plain[row["feature"]][f"frequency_{name}"]
                assert row[f"raw_frequency_{name}"] == expected


def test_nothing_alike_cannot_be_compared(engine: Engine) -> None:
    found = ask(engine, A, B, control=("side",))
    (note,) = (note for note in notes(found) if note.startswith("Nothing"))
    assert "counterpart of their side" in note
    rows = found.to_pylist()
    assert len(rows) == D
    for row in rows:
        unknown = ("frequency_a", "difference", "p_value", "q_value", "ci_low", "relative")
        assert {row[name] for name in unknown} == {None}
        assert row["raw_frequency_a"] + row["raw_frequency_b"] > 0
    assert int(found.schema.metadata[b"n_tested"]) == 0


def test_aligned_documents_may_be_controlled(engine: Engine) -> None:
    found = ask(engine, A, B, align="key", control=("length()",))
    both = ask(engine, A, B, align="key")
    assert int(found.schema.metadata[b"n_a"]) < int(both.schema.metadata[b"n_a"])
    assert b"length in 13 bins" in found.schema.metadata[b"test"]


# --- lengths, overlap, and confirmation ---


def test_lengths_of_both_sides_are_said(made: MadeLake, engine: Engine) -> None:
    said = ask(engine, A, B).schema.metadata
    sizes = {d: len(codes) for d, codes in made.tokens().items()}
    a, b = ([n for d, n in sizes.items() if MASKS[f"side = '{s}'"][d]] for s in "ab")
    assert float(said[b"length_a"]) == np.median(a)
    assert float(said[b"length_b"]) == np.median(b)
    u = stats.mannwhitneyu(a, b).statistic
    assert float(said[b"length_auc"]) == pytest.approx(u / len(a) / len(b))


def test_documents_on_both_sides_are_said(engine: Engine) -> None:
    n = int(MASKS["side = 'a'"].sum())
    assert any(
        note.startswith(f"{n} documents are on both") for note in notes(ask(engine, A, ALL[4]))
    )
    assert not any("both sides" in note for note in notes(ask(engine, A, B)))


def test_the_hash_is_splitmix() -> None:
    """Of the seed 1234567, as its reference gives it: 6457827717110365317 is its first number."""
    assert hashed(np.array([1234567], np.uint64))[0] == 6457827717110365317 / 2**64


@pytest.mark.parametrize("column", [None, "key"])
def test_findings_are_confirmed_in_documents_held_back(
    made: MadeLake, engine: Engine, monkeypatch: pytest.MonkeyPatch, column: str | None
) -> None:
    monkeypatch.setattr("saelake.store.query.diff.SIGNIFICANT", 0.9)
    found = ask(engine, A, B, confirm=True, confirm_share=0.4, cluster_by=column)
    if column is None:
        held = hashed(np.arange(N, dtype=np.uint64)) < 0.4
        numbers = ", ".join(map(str, NUMBERS[held]))
        first, second = (
            ask(engine, *(where(f"side = '{s}' and number {way} ({numbers})") for s in "ab"))
            for way in ("not in", "in")
        )
        again = {row["feature"]: row["p_value"] for row in second.to_pylist()}
        by_feature = {row["feature"]: row for row in found.to_pylist()}
        for row in first.to_pylist():
            other = by_feature[row["feature"]]
            assert other["p_value"] == row["p_value"]
            chosen = row["q_value"] < 0.9
            assert (other["confirmed_p_value"] is not None) == chosen
            if chosen:
                assert other["confirmed_p_value"] == again.get(row["feature"], 1.0)
        chosen_p = [r["confirmed_p_value"] for r in by_feature.values() if r["confirmed_p_value"]]
        q = stats.false_discovery_control(chosen_p)
        listed = [r["confirmed_q_value"] for r in by_feature.values() if r["confirmed_p_value"]]
        assert listed == pytest.approx(q)
    else:
        assert any("by values of key" in note for note in notes(found))
    assert int(found.schema.metadata[b"n_found"]) >= int(found.schema.metadata[b"n_confirmed"])


def test_a_half_without_documents_is_named(engine: Engine) -> None:
    with pytest.raises(InvalidInput, match="to be found in"):
        ask(engine, where("number = 3"), B, confirm=True, confirm_share=0.999999)
