"""`shares` equals a count of documents one by one, whatever the column and whatever is asked."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from saelake.store.arrays.proportions import independence, wilson
from saelake.store.engine import Engine
from saelake.store.errors import InvalidExpression, InvalidFilter, InvalidInput, NotFound
from saelake.store.growth.delete import delete_documents
from saelake.store.index import features, layout, merge
from saelake.store.query.parts import lists, search
from saelake.store.query.parts.quantiles import quantile_bins
from saelake.store.query.parts.value_rows import BINS, FEW_VALUES
from saelake.store.requests.shares import ShareOrder, SharesQuery
from tests.lakes import MadeLake, make_lake

MADE = "made/random"
N = 120
FAILED = ((4, 0), (11, 0), (70, 0))
ODD = ["it's", "日本\n", '"x"', "", "a\x00b", " ", "%_", "\u202eevil", "null"]
Fires = Callable[[int, float], bool]  # a pole, above a threshold
Docs = list[int]


def columns() -> dict[str, pa.Array]:
    """Columns of every kind that can be counted by, with holes, ties, and what is no number."""
    random = np.random.default_rng(7)
    real = np.round(random.normal(size=N), 2)
    real[::7], real[1], real[2], real[3], real[4] = np.nan, np.inf, -np.inf, -0.0, 0.0
    heavy = np.where(random.random(N) < 0.6, 0, random.integers(0, 500, N))
    start = datetime(2020, 2, 28)
    moments = [start + timedelta(seconds=977 * i, milliseconds=i % 50) for i in range(N)]
    return {
        "real": pa.array(real, mask=np.arange(N) % 11 == 0),
        "single": pa.array(real.astype(np.float32)),
        "heavy": pa.array(heavy),
        "few": pa.array([None if i % 13 == 0 else i % 6 for i in range(N)], pa.int8()),
        "large": pa.array(random.integers(0, 2**62, N).astype(np.uint64) * 3),
        "flag": pa.array([None if i % 9 == 0 else bool(i * i % 5 % 2) for i in range(N)]),
        "odd": pa.array([None if i % 10 == 9 else ODD[i % 10] for i in range(N)]),
        "name": pa.array([f"n{random.integers(0, 60)}" for _ in range(N)]),
        "zoned": pa.array(moments, pa.timestamp("us", "Europe/Berlin")),
        "naive": pa.array([start + timedelta(days=i % 5) for i in range(N)], pa.timestamp("ns")),
        "day": pa.array([date(1969, 12, 1) + timedelta(days=i) for i in range(N)]),
        "clock": pa.array([time(i % 24, i % 60, 0, i) for i in range(N)], pa.time64("us")),
        "price": pa.array([Decimal(i % 40) / 4 for i in range(N)], pa.decimal128(10, 2)),
        "nothing": pa.nulls(N, pa.string()),
        "meta": pa.array([None if i % 5 == 0 else {"a kind": "xyz"[i % 3]} for i in range(N)]),
        "tags": pa.array([["a"]] * N),
    }


COUNTED = [*(set(columns()) - {"meta", "tags"}), "label", 'meta."a kind"']
COUNTED.sort()


@pytest.fixture(scope="module", params=["plain", "signed", "tiers"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """Several segments, fragments that none covers, failures, and documents that are deleted."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "tiers":
            for module in (layout, merge, features, search, lists):
                patch.setattr(module, "TIERS", (4, 8))
        lake = make_lake(
            tmp_path_factory.mktemp("lake"),
            n_documents=N,
            n_fragments=4,
            density=0.12,
            signed=request.param == "signed",
            columns=columns(),
            failed=FAILED,
        )
    gone = range(3, N, 17) if request.param == "tiers" else range(0)
    if gone:
        delete_documents(lake.lake, lake.name.corpus, ids=[f"d{doc}" for doc in gone])
    return replace(
        lake,
        codes=[code for code in lake.codes if code.doc not in gone],
        failed=[*lake.failed, *((doc, 0) for doc in gone)],
    )


@pytest.fixture(autouse=True)
def _tiers(request: pytest.FixtureRequest) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        if "tiers" in request.node.name:
            for module in (layout, merge, features, search, lists):
                patch.setattr(module, "TIERS", (4, 8))
        yield


# Each with what it means of a document; poles of a signed dictionary of 12 features are 0 to 23.
EXPRESSIONS: Mapping[str, Callable[[Fires], bool]] = {
    "3": lambda f: f(3, 0),
    " 5 > 0.5 ": lambda f: f(5, 0.5),
    "2 & !4": lambda f: f(2, 0) and not f(4, 0),
    "(1 | 2 > 1) & 7": lambda f: (f(1, 0) or f(2, 1)) and f(7, 0),
    "6 > 1000": lambda _: False,
}
SIGNED: Mapping[str, Callable[[Fires], bool]] = {
    "3": lambda f: f(3, 0) or f(15, 0),
    "-3": lambda f: f(15, 0),
    "+3": lambda f: f(3, 0),
    "-0": lambda f: f(12, 0),
    "5 < -0.5": lambda f: f(17, 0.5),
    "2 & !-4": lambda f: (f(2, 0) or f(14, 0)) and not f(16, 0),
}
WHERE: Mapping[str | None, Callable[[MadeLake, int], bool]] = {
    None: lambda *_: True,
    "label = 'pos'": lambda made, doc: made.labels[doc] == "pos",
    "few < 3": lambda _, doc: doc % 13 != 0 and doc % 6 < 3,
    "label = 'none'": lambda *_: False,
}


def ask(made: MadeLake, **asked: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The rows, and what the answer says of itself."""
    query = SharesQuery(collection=MADE, **asked)
    table = Engine(made.lake.uri).ask(query).read_all()
    assert table.schema.equals(SharesQuery.answer)
    said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    return table.to_pylist(), said


def known(made: MadeLake, where: str | None) -> Docs:
    """The documents that are looked at."""
    encoded = np.flatnonzero(~np.isnan(made.embeddings()[:, 0]))
    return [doc for doc in encoded.tolist() if WHERE[where](made, doc)]


def firing(made: MadeLake, expression: str, docs: Docs) -> set[int]:
    holds = (SIGNED if made.signed else EXPRESSIONS)[expression]
    dense = made.embeddings()

    def is_firing(values: Any) -> bool:
        return holds(lambda pole, least: bool(values[pole] > np.float32(least)))

    return {doc for doc in docs if is_firing(dense[doc])}


def grouped(made: MadeLake, by: str, docs: Docs) -> tuple[dict[Any, Docs], Docs, Docs]:
    """Documents by value, ascending; those with NaN; those without a value."""
    if by == "label":
        values = list(made.labels)
    elif by.startswith("meta."):
        values = [row and row["a kind"] for row in columns()["meta"].to_pylist()]
    else:
        values = columns()[by].to_pylist()
    found: dict[Any, Docs] = {}
    nan: Docs = []
    missing: Docs = []
    for doc in docs:
        value = values[doc]
        if value is None:
            missing.append(doc)
        elif isinstance(value, float) and math.isnan(value):
            nan.append(doc)
        else:
            found.setdefault(value, []).append(doc)
    order = (lambda v: v.encode()) if by in ("odd", "name", "label") else (lambda v: v)
    return {value: found[value] for value in sorted(found, key=order)}, nan, missing


def binned(groups: dict[Any, Docs], n_bins: int) -> list[list[Any]]:
    """The values of each bin: walk the documents in order, and cut after each share of them."""
    ordered = [value for value, docs in groups.items() for _ in docs]
    cuts = {ordered[-(-i * len(ordered) // n_bins) - 1] for i in range(1, n_bins + 1)}
    values = list(groups)
    for place, value in enumerate(values):
        if len(groups[value]) > len(ordered) / n_bins:
            cuts |= {value, values[max(place - 1, 0)] if place else value}
    found: list[list[Any]] = [[]]
    for value in values:
        found[-1].append(value)
        if value in cuts:
            found.append([])
    return [values for values in found if values]


def expected_groups(
    made: MadeLake, by: str, docs: Docs, k: int | None, bins: int | None
) -> list[tuple[str, int, Docs]]:
    """The kind of each row, how many values it has, and its documents; in the order of values."""
    groups, nan, missing = grouped(made, by, docs)
    is_text = by in ("odd", "name", "label", "flag", "nothing", 'meta."a kind"')
    rows: list[tuple[str, int, Docs]] = []
    if not is_text and len(groups) > (bins or FEW_VALUES):
        for values in binned(groups, bins or BINS):
            inside = [doc for value in values for doc in groups[value]]
            rows.append(("bin" if len(values) > 1 else "value", len(values), inside))
    else:
        most = sorted(groups, key=lambda value: (-len(groups[value]), list(groups).index(value)))
        kept = most if k is None else most[:k]
        rows += [("value", 1, groups[value]) for value in groups if value in kept]
        rest = [value for value in groups if value not in kept]
        if rest:
            rows.append(("others", len(rest), [doc for value in rest for doc in groups[value]]))
    if nan:
        rows.append(("nan", 1, nan))
    return [*rows, *([("missing", 0, missing)] if missing else [])]


def in_order(
    rows: list[tuple[str, int, Docs]], order: ShareOrder, fires: set[int]
) -> list[tuple[str, int, Docs]]:
    ranked = [row for row in rows if row[0] in ("value", "bin")]
    if order == "share":
        ranked.sort(key=lambda row: (-len(fires & set(row[2])) / len(row[2]), -len(row[2])))
    elif order == "documents" and not any(kind == "bin" for kind, _, _ in ranked):
        ranked.sort(key=lambda row: -len(row[2]))
    return [*ranked, *(row for row in rows if row[0] not in ("value", "bin"))]


ASKED = {
    "number": st.integers(0, 5),
    "by": st.sampled_from(COUNTED),
    "where": st.sampled_from(list(WHERE)),
    "k": st.none() | st.integers(1, 8),
    "bins": st.none() | st.integers(2, 15),
    "order": st.sampled_from(get_args(ShareOrder)),
    "level": st.sampled_from([0.8, 0.95]),
}


@given(**ASKED)
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_shares_are_those_that_are_counted(
    made: MadeLake,
    number: int,
    by: str,
    where: str | None,
    k: int | None,
    bins: int | None,
    order: ShareOrder,
    level: float,
) -> None:
    known_as = list(SIGNED if made.signed else EXPRESSIONS)
    expression = known_as[number % len(known_as)]
    docs = known(made, where)
    fires = firing(made, expression, docs)
    if by in ("odd", "name", "label", "flag", "nothing", 'meta."a kind"'):
        bins = None
    rows, said = ask(
        made, expression=expression, by=by, where=where, k=k, bins=bins, order=order, level=level
    )
    wanted = in_order(expected_groups(made, by, docs, k, bins), order, fires)
    assert [(row["kind"], row["n_values"]) for row in rows] == [row[:2] for row in wanted]
    assert [row["n_documents"] for row in rows] == [len(inside) for *_, inside in wanted]
    assert (int(said["n"]), int(said["n_firing"])) == (len(docs), len(fires))
    for row, (*_, inside) in zip(rows, wanted, strict=True):
        n_firing = len(fires & set(inside))
        assert row["n_firing"] == n_firing
        assert row["share"] == pytest.approx(n_firing / len(inside))
        interval = stats.binomtest(n_firing, len(inside)).proportion_ci(level, method="wilson")
        assert (row["ci_low"], row["ci_high"]) == pytest.approx(tuple(interval), abs=1e-12)
        if fires:
            lift = n_firing / len(inside) / (len(fires) / len(docs))
            assert row["lift"] == pytest.approx(lift)
        else:
            assert row["lift"] is None
    check_test([(row, inside) for row, (*_, inside) in zip(rows, wanted, strict=True)], fires, said)


def check_test(
    rows: Sequence[tuple[dict[str, Any], Docs]], fires: set[int], said: dict[str, Any]
) -> None:
    """The test is SciPy's, of the rows as they are shown."""
    counts = [
        (len(fires & set(inside)), len(set(inside) - fires))
        for row, inside in rows
        if row["kind"] not in ("nan", "missing")
    ]
    table = np.array(counts, np.int64).reshape(-1, 2)
    if len(table) < 2 or (table.sum(axis=0) == 0).any():
        assert said["test"] == "none"
        assert "p_value" not in said
        return
    found = stats.chi2_contingency(table, correction=False)
    assert float(said["chi_squared"]) == pytest.approx(found.statistic)
    assert int(said["degrees"]) == found.dof
    assert float(said["p_value"]) == pytest.approx(found.pvalue, abs=1e-12)
    v = stats.contingency.association(table, method="cramer")
    assert float(said["cramers_v"]) == pytest.approx(v)
    small = found.expected_freq < 5
    assert float(said["small_cells"]) == pytest.approx(small.mean())
    is_rough = small.mean() > 0.2 or (found.expected_freq < 1).any()
    assert ("p-value is rough" in said["notes"]) == is_rough
    assert int(said["n_tested"]) == table.sum()


@pytest.mark.parametrize("by", COUNTED)
@pytest.mark.parametrize("bins", [None, 3])
def test_the_filter_of_a_row_keeps_its_documents(made: MadeLake, by: str, bins: int | None) -> None:
    is_text = by in ("odd", "name", "label", "flag", "nothing", 'meta."a kind"')
    docs = known(made, None)
    rows, _ = ask(made, expression="3", by=by, bins=None if is_text else bins, k=None)
    wanted = in_order(
        expected_groups(made, by, docs, None, None if is_text else bins), "documents", set()
    )
    for row, (*_, inside) in zip(rows, wanted, strict=True):
        assert row["where"] is not None
        kept, said = ask(made, expression="3", by="label", where=row["where"])
        assert int(said["n"]) == len(inside), row["where"]
        assert int(said["n_firing"]) == row["n_firing"]
        assert sum(each["n_documents"] for each in kept) == len(inside)


def test_what_a_row_is_called(made: MadeLake) -> None:
    def names(by: str, **asked: Any) -> list[tuple[Any, ...]]:
        rows, _ = ask(made, expression="3", by=by, order="value", **asked)
        return [(row["value"], row["low"], row["high"]) for row in rows]

    assert names("flag") == [("false", None, None), ("true", None, None), (None, None, None)]
    assert [value for value, *_ in names("odd")] == [*sorted(ODD, key=str.encode), None]
    first = names("zoned", bins=2)[0]
    assert (first[1], first[0]) == ("2020-02-28 00:00:00Z", f"{first[1]} to {first[2]}")
    assert names("naive")[1][0] == "2020-02-29 00:00:00"
    assert names("real")[0][1] == "-inf"
    assert [each[0] for each in names("few", k=2)][2:] == [None, None]  # others, and no value


def test_bins_are_named_shortly_where_that_tells_them_apart(tmp_path: Path) -> None:
    values = pa.array(np.linspace(0, 1, 40) / 3)
    made = make_lake(tmp_path, columns={"x": values})
    rows, _ = ask(made, expression="3", by="x", bins=2)
    assert rows[0]["value"] == f"0 to {values[19].as_py():.4g}"
    assert rows[0]["high"] == str(values[19].as_py())
    near = make_lake(tmp_path / "near", columns={"x": pa.array(1 + np.arange(40) * 1e-9)})
    rows, _ = ask(near, expression="3", by="x", bins=2)
    assert rows[0]["value"] == f"{rows[0]['low']} to {rows[0]['high']}"


def test_documents_that_are_not_encoded_are_said(made: MadeLake) -> None:
    _, said = ask(made, expression="3", by="label")
    assert "not encoded" in said["notes"]
    assert said["unit"] == "document"


@pytest.mark.parametrize(
    ("asked", "error", "said"),
    [
        ({"by": "none"}, InvalidInput, "no metadata column 'none'"),
        ({"by": "tags"}, InvalidInput, "list"),
        ({"by": "meta"}, InvalidInput, "column.field"),
        ({"by": "label", "bins": 3}, InvalidInput, "leave out bins"),
        ({"by": "label", "expression": "3 &"}, InvalidExpression, "feature number"),
        ({"by": "label", "expression": "!3"}, InvalidExpression, "no feature fires"),
        ({"by": "label", "expression": "999"}, NotFound, "no feature 999"),
        ({"by": "label", "where": "label"}, InvalidFilter, "not a condition"),
    ],
)
def test_what_cannot_be_asked(
    made: MadeLake, asked: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        ask(made, **{"expression": "3", **asked})


@pytest.mark.parametrize("asked", [{"k": 0}, {"bins": 1}, {"bins": 1001}, {"level": 1.0}])
def test_what_cannot_be_meant(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        SharesQuery(collection=MADE, expression="3", by="label", **asked)


@given(st.lists(st.integers(1, 30), min_size=1, max_size=60), st.integers(2, 20))
def test_bins_are_as_equal_as_values_let_them_be(counts: list[int], n_bins: int) -> None:
    bins = quantile_bins(np.array(counts), n_bins)
    whole, sizes = sum(counts), np.bincount(bins, counts)
    assert (np.diff(bins) >= 0).all()
    assert (np.diff(bins) <= 1).all()
    assert bins[0] == 0
    assert len(sizes) <= 2 * n_bins
    for number, size in enumerate(sizes):
        if (bins == number).sum() > 1:  # of one value it is what it is
            assert size < 2 * whole / n_bins + 1
            assert max(np.array(counts)[bins == number]) <= whole / n_bins


def test_intervals_cover_what_they_promise() -> None:
    """Wilson's has a mean coverage near the level; the plain one has less, where little fires."""
    random = np.random.default_rng(0)
    for share in (0.02, 0.1, 0.5):
        for n in (30, 200):
            drawn = random.binomial(n, share, 20_000)
            low, high = wilson(drawn, n, 0.95)
            assert np.mean((low <= share) & (share <= high)) == pytest.approx(0.95, abs=0.035)
    covered = []
    for share in random.uniform(0.01, 0.99, 400):
        drawn = random.binomial(50, share, 500)
        low, high = wilson(drawn, 50, 0.95)
        covered.append(np.mean((low <= share) & (share <= high)))
    assert np.mean(covered) == pytest.approx(0.95, abs=0.005)


def test_the_test_is_calibrated_where_it_is_not_called_rough() -> None:
    random = np.random.default_rng(1)
    n = np.array([80, 60, 120, 40, 200])
    p = [independence(random.binomial(n, 0.2), n) for _ in range(4000)]
    assert not any(found.is_rough for found in p if found)
    rejected = np.mean([found.p < 0.05 for found in p if found])
    assert rejected == pytest.approx(0.05, abs=0.011)


def test_moments_before_1970_and_beyond_what_is_written(tmp_path: Path) -> None:
    """Of a time that no filter can say there is none, and the row is there all the same."""
    far = pa.array([-(2**62), 0, None, 5] * 10, pa.int64()).cast(pa.timestamp("us", "UTC"))
    made = make_lake(
        tmp_path, columns={"far": far, "day": pa.array([datetime(1, 1, 1, tzinfo=UTC)] * 40)}
    )
    rows, _ = ask(made, expression="3", by="far")
    assert [row["n_documents"] for row in rows] == [10, 10, 10, 10]
    assert sum(row["where"] is None for row in rows) == 1
    (row,), _ = ask(made, expression="3", by="day")
    _, said = ask(made, expression="3", by="label", where=row["where"])
    assert int(said["n"]) == 40


def test_values_are_read_in_a_room_that_is_set(tmp_path: Path) -> None:
    """Each value counts once, however many parts it is in; too many are refused, and said."""
    texts = [f"a value of some length {i % 12}" for i in range(N)]
    made = make_lake(
        tmp_path,
        n_documents=N,
        columns={
            "some": pa.array(texts),
            "each": pa.array([f"{t} {i}" for i, t in enumerate(texts)]),
        },
    )
    engine = Engine(made.lake.uri, cache_bytes=0)
    query = SharesQuery(collection=MADE, expression="3", by="some", k=None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("saelake.store.documents.columns.SCAN_ROWS", 5)
        patch.setattr("saelake.store.query.parts.column_values.LEAST_ROOM", 1000)
        found = engine.ask(query).read_all()
        with pytest.raises(InvalidInput, match="too many different values"):
            engine.ask(replace(query, by="each"))
    assert found["n_documents"].to_pylist() == [10] * 12
    whole = Engine(made.lake.uri)
    assert whole.ask(query).read_all().equals(found)
    assert whole.ask(replace(query, by="each")).read_all().num_rows == N
