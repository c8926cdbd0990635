"""Differences of frequency, against dense matrices, SciPy, and the published formulas."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
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
from saelake.store.errors import DictionaryMismatch, InvalidFilter, InvalidInput, NotFound
from saelake.store.lake.lake import CollectionName
from saelake.store.query import diff as module
from saelake.store.requests.checks import Selection
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.tokens import TokensQuery
from tests.lakes import MadeLake, add_dictionary, make_lake

N_DOCUMENTS, N_FEATURES = 60, 14
KEYS = {
    f"{name}/random": [
        None if k == 0 else f"k{k}" for k in np.random.default_rng(seed).integers(0, 9, N_DOCUMENTS)
    ]
    for seed, name in enumerate(["made", "other"])
}
WHERES: dict[str | None, Callable[[MadeLake, int], bool]] = {
    None: lambda made, doc: True,
    "label = 'pos'": lambda made, doc: made.labels[doc] == "pos",
    "label = 'neg'": lambda made, doc: made.labels[doc] == "neg",
    "length > 20": lambda made, doc: len(made.texts[doc]) > 20,
    "length > 45": lambda made, doc: len(made.texts[doc]) > 45,
}
POSITIVE = Selection(collection="made/random", where="label = 'pos'")
NEGATIVE = Selection(collection="made/random", where="label = 'neg'")

Floats = npt.NDArray[np.float64]
Fires = npt.NDArray[np.bool_]


class Asked:
    """Collections of one dictionary, and what asks about them."""

    def __init__(self, **by_name: MadeLake) -> None:
        self.by_name: Mapping[str, MadeLake] = {f"{n}/random": m for n, m in by_name.items()}
        self.engine = Engine(self.by_name["made/random"].lake.uri)

    def diff(self, a: Selection, *others: Selection, **asked: Any) -> pa.Table:
        table = self.engine.ask(DiffQuery(a=a, others=others, **asked)).read_all()
        made = self.by_name[a.collection]
        if not made.signed:
            return table
        counted = pa.Table.from_pylist(made.unsigned(table.to_pylist()), DiffQuery.answer)
        return counted.replace_schema_metadata(table.schema.metadata)

    @cached_property
    def largest(self) -> Mapping[str, Mapping[int, Floats]]:
        """By collection the largest values (n_features,) of each document that is encoded."""
        return {
            name: {doc: row for doc, row in enumerate(m.embeddings()) if not np.isnan(row).any()}
            for name, m in self.by_name.items()
        }

    def docs(self, selection: Selection) -> list[int]:
        made, keeps = self.by_name[selection.collection], WHERES[selection.where]
        return [doc for doc in self.largest[selection.collection] if keeps(made, doc)]

    def fires(self, selection: Selection, unit: str, threshold: float) -> Fires:
        """Where each feature fires, a row for each document or token (n, n_features)."""
        made, docs = self.by_name[selection.collection], self.docs(selection)
        if unit == "document":
            rows = [self.largest[selection.collection][doc] > threshold for doc in docs]
        else:
            tokens = made.tokens()
            rows = [row > threshold for doc in docs for row in tokens[doc]]
        return np.array(rows, np.bool_).reshape(-1, N_FEATURES)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("diff") / "lake"
    made, other = (
        make_lake(
            folder,
            seed=seed,
            n_documents=N_DOCUMENTS,
            n_features=N_FEATURES,
            density=density,
            columns={"key": pa.array(KEYS[f"{corpus}/random"], pa.string())},
            name=CollectionName(corpus, "random"),
            n_indexed=n_indexed,
            failed={(7, 0), (20, 0)} if corpus == "made" else (),
        )
        for seed, corpus, density, n_indexed in ((1, "made", 0.05, 2), (2, "other", 0.07, 0))
    )
    return Asked(made=made, other=other)


# --- brute force ---


def p_value(a: int, n_a: int, b: int, n_b: int) -> float:
    """The pooled z test; where an expected count is under 5 exact, mid-p."""
    table = np.array([[a, n_a - a], [b, n_b - b]])
    if not (table.sum(axis=0).all() and table.sum(axis=1).all()):
        return 1.0
    if stats.contingency.expected_freq(table).min() < 5:
        tails = [stats.fisher_exact(table, way).pvalue for way in ("less", "greater")]
        half = stats.hypergeom.pmf(a, n_a + n_b, a + b, n_a) / 2
        return float(min(2 * (min(tails) - half), 1))
    return float(stats.chi2_contingency(table, correction=False).pvalue)


@dataclass(frozen=True, slots=True)
class Row:
    feature: int
    frequency_a: float
    frequency_b: float
    p_value: float
    log_odds: float
    against: int

    @property
    def difference(self) -> float:
        return self.frequency_a - self.frequency_b

    @property
    def relative(self) -> float:
        return self.difference / max(self.frequency_a, self.frequency_b)


def compared(a: Fires, others: Sequence[Fires], low: float, high: float) -> list[Row]:
    """The rows, with the p-value of the one other, or of the one chosen, uncorrected."""
    rows = []
    for feature in range(N_FEATURES):
        counts = [(int(o[:, feature].sum()), len(o)) for o in others]
        against = max(range(len(others)), key=lambda i: (counts[i][0] / counts[i][1], -i))
        (b, n_b), (n, n_a) = counts[against], (int(a[:, feature].sum()), len(a))
        f_a, f_b = n / n_a, b / n_b
        if max(f_a, f_b) == 0 or min(f_a, f_b) < low or max(f_a, f_b) > high:
            continue
        odds = [np.log((x + 0.5) / (n_x - x + 0.5)) for x, n_x in ((n, n_a), (b, n_b))]
        p_here = p_value(n, n_a, b, n_b)
        rows.append(Row(feature, f_a, f_b, p_here, float(odds[0] - odds[1]), against))
    return rows


def check(
    found: pa.Table,
    rows: list[Row],
    order: str,
    k: int | None,
    others: Sequence[Selection],
    *,
    tested: bool = True,
) -> None:
    expected = sorted(
        rows,
        key=lambda r: (-round(abs(getattr(r, order)), 12), -round(r.frequency_a, 12), r.feature),
    )
    q = stats.false_discovery_control([r.p_value for r in rows]) if rows else []
    by_feature = {r.feature: float(value) for r, value in zip(rows, q, strict=True)}
    listed = found.to_pylist()
    assert [row["feature"] for row in listed] == [r.feature for r in expected[:k]]
    for row, r in zip(listed, expected, strict=False):
        for name in ("frequency_a", "frequency_b", "difference", "relative", "log_odds"):
            assert row[name] == pytest.approx(getattr(r, name), rel=1e-9, abs=1e-12)
        assert (row["raw_frequency_a"], row["raw_frequency_b"]) == (
            row["frequency_a"],
            row["frequency_b"],
        )
        assert row["ci_low"] - 1e-12 <= row["difference"] <= row["ci_high"] + 1e-12
        if tested:
            assert row["p_value"] == pytest.approx(r.p_value, rel=1e-9)
            assert row["q_value"] == pytest.approx(by_feature[r.feature], rel=1e-9)
        assert row["against"] == str(others[r.against])
        assert row["label"] is None
    assert int(found.schema.metadata[b"n_tested"]) == len(rows)


selections = st.builds(
    Selection,
    collection=st.sampled_from(["made/random", "other/random"]),
    where=st.sampled_from(list(WHERES)),
)
shares = st.sampled_from([0.0, 0.05, 0.3])
ORDERS = ["difference", "relative", "log_odds"]


@settings(max_examples=80, deadline=None)
@given(
    a=selections,
    others=st.lists(selections, min_size=1, max_size=3),
    unit=st.sampled_from(["document", "token"]),
    threshold=st.sampled_from([0.0, 0.75, 2.5]),
    low=shares,
    high=st.sampled_from([1.0, 0.4]),
    order=st.sampled_from(ORDERS),
    k=st.sampled_from([None, 3, 1000]),
)
def test_frequencies_are_counted(
    asked: Asked,
    a: Selection,
    others: list[Selection],
    unit: str,
    threshold: float,
    low: float,
    high: float,
    order: str,
    k: int | None,
) -> None:
    sides = [asked.fires(selection, unit, threshold) for selection in (a, *others)]
    found = asked.diff(
        a,
        *others,
        unit=unit,
        threshold=threshold,
        min_coverage=low,
        max_coverage=high,
        order=order,
        k=k,
        examples=False,
    )
    rows = compared(sides[0], sides[1:], low, high)
    check(found, rows, order, k, others, tested=unit == "document" and len(others) == 1)
    assert int(found.schema.metadata[b"n_a"]) == len(sides[0])
    assert int(found.schema.metadata[b"n_b"]) == len(sides[1])


def test_both_tests_were_needed(asked: Asked) -> None:
    """The twin above meets expected counts over and under 5."""
    table = asked.diff(POSITIVE, NEGATIVE, k=None).to_pylist()
    n_a, n_b = len(asked.docs(POSITIVE)), len(asked.docs(NEGATIVE))
    pooled = [(r["frequency_a"] * n_a + r["frequency_b"] * n_b) / (n_a + n_b) for r in table]
    least = [min(p, 1 - p) * min(n_a, n_b) for p in pooled]
    assert min(least) < 5 < max(least)


def test_equals_the_published_definition(asked: Asked) -> None:
    """interp_embed's: masked by coverage, f1 - f2 and (f1 - f2) / max(f1, f2)."""
    low, high = 0.15, 0.35
    b1, b2 = (asked.fires(side, "document", 0).astype(np.float64) for side in (POSITIVE, NEGATIVE))
    f1, f2 = b1.mean(axis=0), b2.mean(axis=0)
    masked = (np.minimum(f1, f2) < low) | (np.maximum(f1, f2) > high)
    larger = np.maximum(f1, f2)
    relative = np.divide(f1 - f2, larger, out=np.zeros_like(f1), where=larger > 0)
    found = asked.diff(POSITIVE, NEGATIVE, k=None, min_coverage=low, max_coverage=high)
    rows = {row["feature"]: row for row in found.to_pylist()}
    assert sorted(rows) == np.flatnonzero(~masked).tolist()
    assert 0 < len(rows) < N_FEATURES
    for feature, row in rows.items():
        assert row["difference"] == pytest.approx(f1[feature] - f2[feature], abs=1e-12)
        assert row["relative"] == pytest.approx(relative[feature], abs=1e-12)


def test_a_threshold_is_of_the_largest_value(asked: Asked) -> None:
    everything = asked.diff(POSITIVE, NEGATIVE, threshold=100.0, k=None)
    assert everything.num_rows == 0
    assert int(everything.schema.metadata[b"n_tested"]) == 0


def test_the_other_way_round_is_the_opposite(asked: Asked) -> None:
    there = {r["feature"]: r for r in asked.diff(POSITIVE, NEGATIVE, k=None).to_pylist()}
    back = {r["feature"]: r for r in asked.diff(NEGATIVE, POSITIVE, k=None).to_pylist()}
    assert there.keys() == back.keys()
    for feature, row in there.items():
        assert back[feature]["difference"] == -row["difference"]
        assert back[feature]["p_value"] == pytest.approx(row["p_value"], rel=1e-9)
        assert back[feature]["example_a"] == row["example_b"]


# --- examples ---


def test_examples_are_the_strongest_tokens(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_EXAMPLES", 5)
    others = [NEGATIVE, Selection(collection="other/random", where="label = 'pos'")]
    rows = asked.diff(POSITIVE, *others, k=8).to_pylist()
    by_text = {str(selection): selection for selection in others}
    assert len({row["against"] for row in rows}) == 2
    for number, row in enumerate(rows):
        for name, side in (("example_a", POSITIVE), ("example_b", by_text[row["against"]])):
            assert row[name] == (strongest(asked, side, row["feature"]) if number < 5 else None)
    assert any(row["example_b"] for row in rows)


def strongest(asked: Asked, side: Selection, feature: int) -> dict[str, Any] | None:
    query = TokensQuery(
        collection=side.collection, expression=str(feature), k=1, where=side.where, context=60
    )
    hits = asked.engine.ask(query).read_all().drop_columns("metadata").to_pylist()
    return hits[0] if hits else None


def test_examples_can_be_left_out(asked: Asked) -> None:
    rows = asked.diff(POSITIVE, NEGATIVE, examples=False).to_pylist()
    assert {row["example_a"] for row in rows} == {row["example_b"] for row in rows} == {None}


def test_a_feature_of_one_side_has_no_example_on_the_other(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=8, n_features=30, density=0.05, seed=4)
    rows = Asked(made=made).diff(POSITIVE, NEGATIVE, k=None).to_pylist()
    alone = [row for row in rows if row["frequency_b"] == 0]
    assert alone
    for row in alone:
        assert row["example_a"] is not None
        assert row["example_b"] is None
        assert row["relative"] == 1


# --- signed codes and mistakes ---


def test_both_poles_of_a_signed_feature_are_compared(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=30, n_features=N_FEATURES // 2, signed=True)
    signed = Asked(made=made)
    assert len(signed.diff(POSITIVE, NEGATIVE, k=None)) == N_FEATURES
    for unit in ("document", "token"):
        sides = [signed.fires(side, unit, 0) for side in (POSITIVE, NEGATIVE)]
        found = signed.diff(POSITIVE, NEGATIVE, unit=unit, k=None)
        rows = compared(sides[0], sides[1:], 0, 1)
        check(found, rows, "difference", None, [NEGATIVE], tested=unit == "document")


def test_a_pole_is_compared_with_the_other_in_which_it_is_most_frequent(tmp_path: Path) -> None:
    made = make_lake(
        tmp_path / "lake", n_documents=60, n_features=N_FEATURES // 2, density=0.05, signed=True
    )
    signed = Asked(made=made)
    others = [NEGATIVE, *(Selection(collection="made/random", where=w) for w in list(WHERES)[3:])]
    for unit in ("document", "token"):
        sides = [signed.fires(side, unit, 0.75) for side in (POSITIVE, *others)]
        found = signed.diff(POSITIVE, *others, unit=unit, threshold=0.75, k=None, examples=False)
        rows = compared(sides[0], sides[1:], 0, 1)
        against = {(row.feature % made.poles.d_sae, row.against) for row in rows}
        assert len(against) > made.poles.d_sae  # the poles of a feature with different others
        check(found, rows, "difference", None, others, tested=False)


def test_features_of_two_dictionaries_are_not_compared(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=10)
    add_dictionary(made, "second", n_features=made.n_features)
    with pytest.raises(DictionaryMismatch, match=r"made/random and made/second .* match"):
        Asked(made=made).diff(POSITIVE, Selection(collection="made/second"))


EMPTY = Selection(collection="made/random", where="length < 0")


@pytest.mark.parametrize("unit", ["document", "token"])
@pytest.mark.parametrize(
    "sides", [(EMPTY, POSITIVE), (POSITIVE, EMPTY), (POSITIVE, NEGATIVE, EMPTY), (EMPTY, EMPTY)]
)
def test_nothing_cannot_be_compared(asked: Asked, sides: list[Selection], unit: str) -> None:
    with pytest.raises(InvalidInput, match=f"where length < 0 has no {unit}"):
        asked.diff(*sides, unit=unit)


@pytest.mark.parametrize(
    ("where", "options", "error", "said"),
    [
        ("label = 'neg'", {"align": "colour"}, InvalidInput, "no metadata column 'colour'"),
        ("label = 'neg'", {"align": "kez"}, InvalidInput, "Did you mean 'key'"),
        ("key is null", {"align": "key"}, InvalidInput, "same key"),
        ("colour = 1", {}, InvalidFilter, "colour"),
    ],
)
def test_mistakes_are_named(
    asked: Asked, where: str, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        asked.diff(POSITIVE, Selection(collection="made/random", where=where), **options)


def test_a_collection_that_is_not_there_is_named(asked: Asked) -> None:
    with pytest.raises(NotFound, match="made/nothing"):
        asked.diff(POSITIVE, Selection(collection="made/nothing"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"others": ()}, "second selection"),
        ({"unit": "word"}, "unit cannot be"),
        ({"order": "p"}, "order cannot be"),
        ({"min_coverage": -0.1}, "min_coverage is a share"),
        ({"max_coverage": 2.0}, "max_coverage is a share"),
        ({"k": 0}, "k must be"),
        ({"align": "key", "unit": "token"}, "leave out align"),
        ({"align": "key", "cluster_by": "label"}, "leave out cluster_by"),
        ({"control": ("length",), "cluster_by": "label"}, "leave out cluster_by or control"),
        ({"control": ("key", "key")}, "twice"),
        ({"level": 1.0}, "level is a share"),
        ({"confirm_share": 0.0}, "confirm_share is a share"),
        ({"threshold": float("nan")}, "finite"),
    ],
)
def test_wrong_questions_are_not_asked(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        DiffQuery(**{"a": POSITIVE, "others": (NEGATIVE,), **options})
