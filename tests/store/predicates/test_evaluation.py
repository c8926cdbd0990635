"""A filter over columns in memory keeps what the tables' engine keeps, and leaves it the rest."""

import datetime as dt
from collections.abc import Callable, Sequence

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saelake.store.documents.filters import matching_documents
from saelake.store.errors import InvalidFilter
from saelake.store.predicates.evaluation import evaluated
from saelake.store.predicates.grammar import parse
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table
from tests.store.predicates.conftest import COLUMNS

TEXTS = [
    "",
    "a",
    "A",
    "ab",
    "b",
    "ba",
    "%",
    "a%b",
    "a_b",
    "a\\b",
    "it's",
    "über",
    "日本",
    "🎬",
    "é",
    "e\u0301",
]
FLOATS = [
    0.0,
    -0.0,
    1.5,
    -1.5,
    float("nan"),
    float("inf"),
    float("-inf"),
    -float("nan"),
    0.1,
    1e300,
    5e-324,
    16777217.0,
]
SINGLES = [0.0, -0.0, 1.5, -1.5, float("nan"), float("inf"), 0.1, 1e30, 16777216.0]
DAYS = [
    dt.date(1969, 12, 31),
    dt.date(2024, 1, 1),
    dt.date(2024, 2, 29),
    dt.date(1, 1, 1),
    dt.date(9999, 12, 31),
]
MOMENTS = [
    dt.datetime(1969, 12, 31, 23, 59, 59, 500_000),
    dt.datetime(2024, 1, 1),
    dt.datetime(2024, 7, 1, 10, 0, 0, 250_000),
    dt.datetime(2024, 3, 31, 2, 30),
]
N_ROWS = 97


def column(values: Sequence[object], type_: pa.DataType, every: int = 5) -> pa.Array:
    """The values in turn, and now and then a null."""
    kept = [None if i % every == every - 1 else values[i % len(values)] for i in range(N_ROWS)]
    return pa.array(kept, type_)


def limits(bits: int, *, signed: bool) -> list[object]:
    least = -(2 ** (bits - 1)) if signed else 0
    most = least + 2**bits - 1
    return [least, least + 1, 0, 1, 2, 7, most - 1, most]


MANY = pa.record_batch(
    {
        "doc": pa.array(range(N_ROWS), pa.uint64()),
        "t": column(TEXTS, pa.string()),
        "full": pa.array([TEXTS[i % len(TEXTS)] for i in range(N_ROWS)], pa.string()),
        "i8": column(limits(8, signed=True), pa.int8()),
        "u8": column(limits(8, signed=False), pa.uint8()),
        "i32": column(limits(32, signed=True), pa.int32(), 7),
        "i64": column(limits(64, signed=True), pa.int64()),
        "u64": column(limits(64, signed=False), pa.uint64()),
        "n": pa.array([i % 10 for i in range(N_ROWS)], pa.int16()),
        "f64": column(FLOATS, pa.float64(), 12),
        "f32": column(SINGLES, pa.float32()),
        "day": column(DAYS, pa.date32(), 6),
        "sec": column([m.replace(microsecond=0) for m in MOMENTS], pa.timestamp("s")),
        "us": column(MOMENTS, pa.timestamp("us")),
        "utc": column(MOMENTS, pa.timestamp("us", "UTC")),
        "berlin": column(MOMENTS, pa.timestamp("ms", "Europe/Berlin")),
        "flag": column([True, False, True], pa.bool_()),
        "none": pa.nulls(N_ROWS, pa.int32()),
        "empty": pa.nulls(N_ROWS, pa.string()),
    }
)
NUMBERS = st.sampled_from(
    [
        "0",
        "1",
        "2",
        "7",
        "-1",
        "1.5",
        "-1.5",
        ".1",
        "0.1",
        "127",
        "128",
        "-128",
        "-129",
        "255",
        "256",
        "2147483647",
        "-2147483648",
        "2147483648",
        "1e30",
        "-1e30",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "18446744073709551615",
        "18446744073709551616",
        "16777217",
        "9007199254740993",
        "5e-324",
        "1e300",
        "-0",
        "-0.0",
        "0.0",
    ]
)
QUOTED = st.sampled_from(["'" + text.replace("'", "''") + "'" for text in [*TEXTS, "zz", "a%b%"]])
PATTERNS = st.sampled_from(
    [
        "'a%'",
        "'%a'",
        "'%a%'",
        "'%'",
        "''",
        "'%%'",
        "'a'",
        "'%ü%'",
        "'a\\%'",
        "'a_b'",
        "'_'",
        "'%日'",
        "'A%'",
    ]
)
WHEN = st.sampled_from(
    [
        "'1969-12-31'",
        "'2024-01-01'",
        "'2024-01-01 00:00:00'",
        "'2024-07-01 10:00:00.25'",
        "'0001-01-01'",
        "DATE '2024-02-29'",
        "TIMESTAMP '2024-03-31 01:30:00'",
        "'1969-12-31 23:59:59.4'",
        "'9999-12-31'",
        "'2024-07-01T10:00:00.25Z'",
        "'2024-07-01 12:00:00.250+02:00'",
    ]
)
ORDER = st.sampled_from(["=", "<>", "<", "<=", ">", ">=", "!=", "=="])
NOT = st.sampled_from(["", "NOT "])
NUMERIC = st.sampled_from(["i8", "u8", "i32", "i64", "u64", "n", "f64", "f32", "none"])
TEXTUAL = st.sampled_from(["t", "full", "empty"])
TIMELY = st.sampled_from(["day", "sec", "us", "utc", "berlin"])
ANY = st.one_of(NUMERIC, TEXTUAL, TIMELY, st.just("flag"))
ATOMS = st.one_of(
    st.builds("{} {} {}".format, NUMERIC, ORDER, NUMBERS),
    st.builds("{} {} {}".format, NUMBERS, ORDER, NUMERIC),
    st.builds("{} {} {}".format, TEXTUAL, ORDER, QUOTED),
    st.builds("{} {} {}".format, TIMELY, ORDER, WHEN),
    st.builds("{} {}IN ({}, {}, {})".format, NUMERIC, NOT, NUMBERS, NUMBERS, NUMBERS),
    st.builds("{} {}IN ({}, {})".format, TEXTUAL, NOT, QUOTED, QUOTED),
    st.builds("{} {}IN ({}, {})".format, TIMELY, NOT, WHEN, WHEN),
    st.builds("{} {}BETWEEN {} AND {}".format, NUMERIC, NOT, NUMBERS, NUMBERS),
    st.builds("{} {}BETWEEN {} AND {}".format, TEXTUAL, NOT, QUOTED, QUOTED),
    st.builds("{} {}BETWEEN {} AND {}".format, TIMELY, NOT, WHEN, WHEN),
    st.builds("{} {}LIKE {}".format, TEXTUAL, NOT, PATTERNS),
    st.builds("starts_with({}, {})".format, TEXTUAL, QUOTED),
    st.builds("{} IS {}NULL".format, ANY, NOT),
    st.builds(
        "{} {} {}".format,
        st.just("flag"),
        st.sampled_from(["=", "<>"]),
        st.sampled_from(["TRUE", "false"]),
    ),
    st.builds(
        "({} {} {}) IS {}{}".format,
        NUMERIC,
        ORDER,
        NUMBERS,
        NOT,
        st.sampled_from(["TRUE", "FALSE"]),
    ),
    st.sampled_from(["flag", "NOT flag", "flag IS TRUE", "flag IS NOT FALSE"]),
)
PREDICATES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("({}) AND ({})".format, inner, inner),
        st.builds("({}) OR ({})".format, inner, inner),
        st.builds("NOT ({})".format, inner),
    ),
    max_leaves=5,
)
Ways = Callable[[str], tuple[list[int] | None, list[int]]]


def stored(path: str, rows: pa.RecordBatch) -> Table:
    empty = Table.open_or_create(path, rows.schema)
    return empty.commit(lambda snapshot: Change(add=snapshot.write([rows])))


@pytest.fixture(scope="module")
def ways(tmp_path_factory: pytest.TempPathFactory) -> Ways:
    """What a filter keeps in memory (None: it is left to the engine), and as the engine has it."""
    table = stored(str(tmp_path_factory.mktemp("t") / "t.lance"), MANY)

    words = {name: MANY.column(name) for name in MANY.schema.names}
    words |= {name: words[name].dictionary_encode() for name in ("t", "full", "empty")}

    def kept(where: str) -> tuple[list[int] | None, list[int]]:
        mask = evaluated(parse(where), MANY.schema, MANY.column)
        by_word = evaluated(parse(where), MANY.schema, words.get)
        assert (by_word is None) == (mask is None)
        assert mask is None or by_word is None or mask.tolist() == by_word.tolist()
        here = None if mask is None else np.flatnonzero(mask).tolist()
        try:
            return here, np.flatnonzero(matching_documents(table, where)).tolist()
        except InvalidFilter:
            assert here is None
            return None, []

    return kept


@settings(max_examples=400, deadline=None)
@given(where=PREDICATES)
@example("f64 = -0.0")
@example("f64 = 0")
@example("f64 > 1e300")
@example("f32 = 0.1")
@example("f64 <> f64")
@example("NOT (t LIKE '%')")
@example("NOT (none IN (1, 2))")
@example("u8 NOT IN (300, 1.5)")
@example("u64 >= 18446744073709551615")
@example("NOT (none > 1) OR n = 3")
@example("(none > 1 AND n = 3) IS FALSE")
@example("berlin < '2024-03-31 02:30:00'")
def test_both_ways_keep_the_same(ways: Ways, where: str) -> None:
    here, by_the_engine = ways(where)
    assert here is None or here == by_the_engine


@pytest.mark.parametrize(
    "where",
    [
        "n = 3",
        "n >= 2 AND n < 5",
        "t = 'über' OR t LIKE 'a%'",
        "NOT (i64 BETWEEN -5 AND 9223372036854775807)",
        "flag",
        "f64 > 0.5 AND day IS NOT NULL",
        "us >= '2024-01-01' AND utc < '2024-07-01T10:00:01Z'",
        "t IN ('a', 'b') AND N NOT IN (1, 2)",
        "starts_with(\"t\", 'it')",
    ],
)
def test_what_is_usual_is_answered_in_memory(ways: Ways, where: str) -> None:
    here, by_the_engine = ways(where)
    assert here == by_the_engine


LEFT = [
    "t ILIKE 'A%'",
    "t LIKE 'a_b'",
    "t LIKE 'a\\%'",
    "n + 1 = 3",
    "n = i8",
    "length(t) = 2",
    "f64 = 9007199254740993",
    "CAST(n AS string) = '3'",
    "us < now()",
    "n IS DISTINCT FROM 3",
    "lower(t) = 'a' OR n = 3",
]


@pytest.mark.parametrize("where", LEFT)
def test_what_only_the_engine_knows_is_left_to_it(where: str) -> None:
    assert evaluated(parse(where), MANY.schema, MANY.column) is None


@pytest.mark.parametrize(
    "where",
    [
        "n = 'a'",
        "t = 3",
        "nobody = 3",
        "n = NULL",
        "n IN (1, NULL)",
        "1 = 1",
        "n",
        "day = 'x'",
        "t = 3 OR n = 3",
        "n = 3 AND nobody = 4",
        "flag = 'true'",
        "us = '2024-01-01Z'",
    ],
)
def test_what_does_not_bind_is_refused_as_ever(ways: Ways, where: str) -> None:
    assert ways(where) == (None, [])


def test_a_column_that_is_not_in_memory_is_left() -> None:
    def column(name: str) -> pa.Array | None:
        return MANY.column(name) if name == "n" else None

    assert evaluated(parse("n = 3"), MANY.schema, column) is not None
    assert evaluated(parse("n = 3 AND t = 'a'"), MANY.schema, column) is None


@pytest.mark.parametrize("name", list(COLUMNS))
def test_a_column_of_each_kind_is_answered_alike_or_left(
    tmp_path_factory: pytest.TempPathFactory, table: Table, name: str
) -> None:
    rows = pa.record_batch(COLUMNS)
    quoted = '"' + name.replace('"', '""') + '"'
    for said in ("IS NULL", "= 2", "= '2024-01-01'", "> 'ok'", "= TRUE", "<= '10:00:00'"):
        where = f"{quoted} {said}"
        mask = evaluated(parse(where), rows.schema, rows.column)
        if mask is not None:
            assert mask.tolist() == matching_documents(table, where).tolist()
