"""What a filter keeps of a table is what standard SQL says, whatever it is given."""

import operator
import sqlite3
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from saelake.store.documents.filters import FilterCache
from saelake.store.errors import InvalidFilter
from saelake.store.predicates.grammar import MAX_DEPTH
from saelake.store.predicates.predicate import predicate
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table
from tests.store.predicates.conftest import COLUMNS, MOMENTS, Keeps

ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "==": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
FLIPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
NUMBERS = ["0", "2", "-1", "1.5", "-0.5", "3.5", "4.25", "3.505", "-3.501", "127", "128", "1e3"]
HUGE = ["1e30", "-1e30", "9223372036854775807", "18446744073709551616", "-9223372036854775808"]
BERLIN, FIXED = ZoneInfo("Europe/Berlin"), timezone(timedelta(hours=2))

# Names

NAMED = {
    "\"label\" = 'spam'": [0],
    "`label` = 'spam'": [0],
    "LABEL = 'spam'": [0],
    "\"label\" <> 'spam'": [1, 2],
    "\"Two Words\" = 'spam'": [0],
    "`Two Words` <> 'spam'": [1, 2],
    '"q""x" = 1': [0],
    "upper = 1": [0],
    '"Upper" = 1': [0],
    "twin = 1": [0],
    "Twin = 1": [2],
    '"Twin" = 1': [2],
    '"in" IN (1)': [0],
    "date = 1": [0],
    '"label" = "Two Words"': [0, 1],
    "meta.year = 2001": [0],
    "META.Year = 2001": [0],
    "meta['year'] = 2001": [0],
    '"meta"."year" > 2001.5': [1],
    'meta."Deep Name"."p.q" > 2': [1],
    "meta.`deep name` IS NULL": None,
    "meta.\"Deep Name\"['b`t'] = 2": [1],
    "tags[1] = 'x'": [0],
    "days[1] < '2024-01-01'": [0],
    "array_has(tags, 'new')": [0, 2],
    "cardinality(tags) > 1": [0],
}


@pytest.mark.parametrize("where", NAMED)
def test_names(keeps: Keeps, where: str) -> None:
    expected = NAMED[where]
    if expected is None:
        with pytest.raises(InvalidFilter, match='Did you mean "Deep Name"'):
            keeps(where)
    else:
        assert keeps(where) == expected


REFUSED = {
    "lable = 'x'": ["no column lable", "Did you mean label?", '"Two Words"', '"q""x"', '"in"'],
    "\"labels\" = 'x'": ['no column "labels"', "Did you mean label?"],
    "\"LABEL\" = 'x'": ['no column "LABEL"', "Did you mean label?"],
    'label = "spam"': ['no column "spam"', "single quotes: 'spam'"],
    "Two > 3": ["no column Two", 'Did you mean "Two Words"?'],
    "TWIN = 1": ['TWIN may be "twin" or "Twin"'],
    "meta.yaer = 1": ["no field of meta yaer", "Did you mean year?"],
    "label.x = 1": ["label has no fields"],
    "_rowid = 0": ["no column _rowid"],
    "1 = 1": ["1 = 1 uses no column", "leave the filter away"],
    "'a' = 'a'": ["uses no column"],
    "'label' <> 'spam'": ["'label' <> 'spam' uses no column"],
    "true": ["uses no column"],
    "NOT false": ["uses no column"],
    "label = 'x' OR 1 = 1": ["1 = 1 uses no column"],
    "label = 'x' OR 'spam'": ["'spam' uses no column"],
    "now() > '2020-01-01'": ["uses no column"],
    "2 IN (1, 2)": ["uses no column"],
    "label": ["label is text, not a condition"],
    "i8 AND flag": ["i8 is a whole number, not a condition"],
    "NOT label": ["label is text"],
    "label IS TRUE": ["label is text"],
    "label = NULL": ["IS NULL"],
    "label NOT IN ('x', NULL)": ["IS NULL"],
    "label = 1": ["label is text: write it in single quotes"],
    "i8 = '1'": ["i8 is a whole number: write it without quotes"],
    "f32 > '0.2'": ["f32 is a number: write it without quotes"],
    "price > '3.5'": ["price is a decimal number: write it without quotes"],
    "flag = 'true'": ["flag is true or false: write TRUE or FALSE"],
    "flag = 1": ["write TRUE or FALSE"],
    "day = 'today'": ["day is a date: write '2024-01-31'"],
    "day >= '2024'": ["write '2024-01-31'"],
    "day >= 2024": ["write '2024-01-31'"],
    "day = '2024-02-30'": ["there is no day 2024-02-30"],
    "DATE '2024-02-30' = day": ["there is no day 2024-02-30"],
    "us > 'yesterday'": ["us is a date and time: write '2024-01-31' or '2024-01-31 10:00:00'"],
    "us > '2024-01-01 10:00Z'": ["no time zone"],
    "us > '2024-01-01 25:00'": ["there is no time 25:00:00"],
    "berlin > '2024-03-31 02:30'": ["add the offset"],
    "berlin > '2024-10-27 02:30'": ["add the offset"],
    "clock = 'noon'": ["write '10:00:00'"],
    "took > '1 day'": ["arrow_cast(60, 'Duration(Second)')"],
    "raw = 'a'": ["X'616263'"],
    "tags = 'x'": ["array_has"],
    "meta = 1": ["name a field"],
    "i8 LIKE '1%'": ["i8 is a whole number, and LIKE compares texts"],
    "CAST(label AS int) = 1": ["Cannot cast string 'spam'"],
    "1 / (i8 - 2) > 0": ["Divide by zero"],
    "nosuch(label) = 1": ["nosuch"],
    "count(label) > 1": ["aggregate"],
    "i8 = any([1])": ["any"],
}


@pytest.mark.parametrize("where", REFUSED)
def test_what_cannot_be_meant_is_refused(keeps: Keeps, where: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        keeps(where)
    for part in REFUSED[where]:
        assert part in str(caught.value)
    assert "/" not in str(caught.value).replace(where, "").replace(
        "Europe/Berlin", ""
    )  # nothing of the engine's source


def test_the_literals_that_messages_show_work(keeps: Keeps) -> None:
    assert keeps("took > arrow_cast(60, 'Duration(Second)')") == [2]
    assert keeps("raw = X'61'") == [0]
    assert keeps("raw IN (X'6227', X'00')") == [1, 2]
    assert keeps("flag = FALSE") == [1]
    assert keeps("flag IS NOT TRUE") == [1, 3]
    assert keeps("\"long text\" = 'it''s'") == [2]


# Literals


def check(keeps: Keeps, name: str, values: Sequence[Any], literal: str, meant: Any) -> None:
    """Every comparison of a column with a literal, against Python's of its values."""
    for order, holds in ORDERS.items():
        kept = [i for i, v in enumerate(values) if v is not None and holds(v, meant)]
        assert keeps(f"{name} {order} {literal}") == kept, (name, order, literal)
        flipped = FLIPPED.get(order, order)
        assert keeps(f"{literal} {flipped} {name}") == kept, (name, order, literal)
    known = [i for i, v in enumerate(values) if v is not None]
    equal = [i for i in known if values[i] == meant]
    assert keeps(f"{name} IN ({literal})") == equal
    assert keeps(f"{name} NOT IN ({literal})") == [i for i in known if i not in equal]
    assert keeps(f"{name} BETWEEN {literal} AND {literal}") == equal
    assert keeps(f"{name} NOT BETWEEN {literal} AND {literal}") == [
        i for i in known if i not in equal
    ]


@pytest.mark.parametrize("name", ["i8", "i64", "u64", "price", "wide"])
def test_exact_numbers(keeps: Keeps, name: str) -> None:
    for literal in NUMBERS + HUGE:
        check(keeps, name, COLUMNS[name].to_pylist(), literal, Decimal(literal))


@pytest.mark.parametrize("name", ["f16", "f32", "f64"])
def test_numbers_that_are_rounded(keeps: Keeps, name: str) -> None:
    """A literal is rounded as the column's values were, so that 0.1 is 0.1."""
    for literal in ("0", "-0.5", "0.1", "2", "1.5", "1e3"):
        rounded = pa.array([float(literal)]).cast(COLUMNS[name].type)[0].as_py()
        check(keeps, name, COLUMNS[name].to_pylist(), literal, rounded)


@pytest.mark.parametrize("name", ["day", "day64"])
def test_dates(keeps: Keeps, name: str) -> None:
    days = [day and datetime(day.year, day.month, day.day) for day in COLUMNS[name].to_pylist()]
    for text, meant in (
        ("'2024-01-01'", datetime(2024, 1, 1)),
        ("DATE '2024-01-01'", datetime(2024, 1, 1)),
        ("'1969-12-31 12:00'", datetime(1969, 12, 31, 12)),
        ("'2024-01-01 10:00'", datetime(2024, 1, 1, 10)),
        ("TIMESTAMP '2024-01-01T00:00:00'", datetime(2024, 1, 1)),
        ("'0001-01-01'", datetime(1, 1, 1)),
        ("'9999-12-31'", datetime(9999, 12, 31)),
    ):
        check(keeps, name, days, text, meant)


@pytest.mark.parametrize("name", ["sec", "ms", "us", "ns"])
def test_times_without_a_zone(keeps: Keeps, name: str) -> None:
    values = [m and m.replace(microsecond=0) for m in MOMENTS] if name == "sec" else MOMENTS
    for text, meant in (
        ("'2024-01-01'", datetime(2024, 1, 1)),
        ("'2024-01-01 10:00'", datetime(2024, 1, 1, 10)),
        ("'2024-01-01T10:00:00'", datetime(2024, 1, 1, 10)),
        ("TIMESTAMP '2024-07-01 10:00:00.25'", datetime(2024, 7, 1, 10, 0, 0, 250_000)),
        ("'2024-07-01 10:00:00.2501'", datetime(2024, 7, 1, 10, 0, 0, 250_100)),
        ("'1969-12-31 23:59:59.5'", datetime(1969, 12, 31, 23, 59, 59, 500_000)),
        ("'1969-12-31 23:59:59.4'", datetime(1969, 12, 31, 23, 59, 59, 400_000)),
        ("DATE '1500-01-01'", datetime(1500, 1, 1)),  # before the first nanosecond
        ("DATE '2500-01-01'", datetime(2500, 1, 1)),
    ):
        check(keeps, name, values, text, meant)


@pytest.mark.parametrize(
    ("name", "zone"), [("utc", UTC), ("berlin", BERLIN), ("fixed", FIXED)], ids=str
)
def test_times_with_a_zone(keeps: Keeps, name: str, zone: Any) -> None:
    """Without an offset a literal is by the clocks of the column's zone."""
    values = [m and m.replace(tzinfo=UTC) for m in MOMENTS]
    for text, meant in (
        ("'2024-01-01'", datetime(2024, 1, 1, tzinfo=zone)),
        ("'2024-01-01 11:00'", datetime(2024, 1, 1, 11, tzinfo=zone)),
        ("TIMESTAMP '2024-01-01 10:00'", datetime(2024, 1, 1, 10, tzinfo=zone)),
        ("'2024-01-01T10:00:00Z'", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("'2024-01-01 11:00:00+01:00'", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("TIMESTAMP '2024-01-01 08:30-0130'", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("'2024-07-01 12:00:00.25'", datetime(2024, 7, 1, 12, 0, 0, 250_000, tzinfo=zone)),
    ):
        check(keeps, name, values, text, meant)


@pytest.mark.parametrize("name", ["clock", "clock32"])
def test_times_of_day(keeps: Keeps, name: str) -> None:
    for text, meant in (
        ("'10:00'", time(10)),
        ("TIME '10:00:00'", time(10)),
        ("'23:59:59.999999'", time(23, 59, 59, 999_999)),
        ("'00:00:00.5'", time(0, 0, 0, 500_000)),
    ):
        check(keeps, name, COLUMNS[name].to_pylist(), text, meant)


# The whole language, against another engine

ROWS: list[tuple[Any, ...]] = [
    (n, label, words)
    for n, label, words in zip(
        [None, 0, 1, 2, 3, 2, 7, None, -1, 5],
        ["a", "b", None, "ab", "a", "it's", "", "B", None, "%"],
        ["x", None, "a", "x", "X", "b", "ab", "x", "a", "and"],
        strict=True,
    )
]


class Oracle:
    """The same rows in SQLite, which is another program by other people."""

    def __init__(self) -> None:
        self._database = sqlite3.connect(":memory:")
        self._database.execute("PRAGMA case_sensitive_like = ON")
        self._database.execute('CREATE TABLE t (doc, n INTEGER, label TEXT, "Two Words" TEXT)')
        rows = [(doc, *row) for doc, row in enumerate(ROWS)]
        self._database.executemany("INSERT INTO t VALUES (?, ?, ?, ?)", rows)

    def keeps(self, where: str) -> list[int]:
        found = self._database.execute(f"SELECT doc FROM t WHERE ({where}\n) ORDER BY doc")
        return [doc for (doc,) in found]


@pytest.fixture(scope="module")
def same(tmp_path_factory: pytest.TempPathFactory) -> tuple[Keeps, Oracle]:
    n, label, words = zip(*ROWS, strict=True)
    docs = pa.array(range(len(ROWS)), pa.uint64())
    columns = {"doc": docs, "n": pa.array(n), "label": label, "Two Words": words}
    rows = pa.record_batch({name: pa.array(column) for name, column in columns.items()})
    uri = str(tmp_path_factory.mktemp("same") / "t.lance")
    table = Table.open_or_create(uri, rows.schema).commit(
        lambda snapshot: Change(add=snapshot.write([rows]))
    )
    filters = FilterCache(table)

    def kept(where: str) -> list[int]:
        mask = filters.mask(where)
        assert mask is not None
        found: list[int] = mask.nonzero()[0].tolist()
        return found

    return kept, Oracle()


ORDER = st.sampled_from(["=", "==", "<>", "!=", "<", "<=", ">", ">="])
NUMBER = st.sampled_from(["0", "1", "2", "3", "-1", "1.5", "2.0", ".5", "1e1", "7"])
TEXT = st.sampled_from(["'a'", "'b'", "''", "'it''s'", "'x -- y'", "'and'", "'%'"])
NUMERIC = st.sampled_from(["n", "N", '"n"', "`n`", "n + 1", "n - 1", "(n)", "-n", "n * 2", "n % 2"])
TEXTUAL = st.sampled_from(["label", '"label"', '"Two Words"', "`Two Words`", "LABEL"])
NOT = st.sampled_from(["", "NOT ", "not "])
ATOMS = st.one_of(
    st.builds("{} {} {}".format, NUMERIC, ORDER, NUMBER),
    st.builds("{} {} {}".format, NUMBER, ORDER, st.sampled_from(["n", '"n"'])),
    st.builds("{} {} {}".format, TEXTUAL, ORDER, TEXT | TEXTUAL),
    st.builds("{} {}IN ({}, {})".format, st.sampled_from(["n", "`n`"]), NOT, NUMBER, NUMBER),
    st.builds("{} {}in ({}, {})".format, TEXTUAL, NOT, TEXT, TEXT),
    st.builds("n {}BETWEEN {} AND {}".format, NOT, NUMBER, NUMBER),
    st.builds("{} {}like {}".format, TEXTUAL, NOT, st.sampled_from(["'a%'", "'_'", "'%s'", "'B'"])),
    st.builds("{} IS {}NULL".format, TEXTUAL | NUMERIC, NOT),
    st.builds("({} {} {}) IS {}TRUE".format, NUMERIC, ORDER, NUMBER, NOT),
    st.builds("{} is {}distinct from {}".format, st.just("n"), NOT, st.sampled_from(["1", "2"])),
)
PREDICATES = st.recursive(
    ATOMS,
    lambda inner: st.one_of(
        st.builds("{} AND {}".format, inner, inner),
        st.builds("{} or {}".format, inner, inner),
        st.builds("NOT {}".format, inner),
        st.builds("({})".format, inner),
        st.builds("(\t{}\n)".format, inner),
    ),
    max_leaves=6,
)
WORDS = (
    "n label \"Two Words\" 'a' 1 2.5 = < <> + - * ( ) , ; -- /* */ AND OR NOT and or not adn IN IS "
    "NULL TRUE LIKE BETWEEN limit order by union select from where group having as case when end "
    "'; '' \" ` [ ] . :: ! || 'x n=1 E'a' true"
).replace('"Two Words"', '"Two\tWords"')
GARBAGE = st.lists(
    st.sampled_from([word.replace("\t", " ") for word in WORDS.split(" ")]), min_size=1, max_size=6
).map(" ".join)


@settings(max_examples=150, deadline=None)
@given(where=PREDICATES)
@example("n NOT IN (0, 1) OR n NOT IN (2, 3)")
@example("NOT (n IN (0, 1) AND n IN (2, 3))")
@example("NOT (n IN (0, 1) AND n NOT IN (0, 1))")
@example("NOT ((n = 0 OR n = 1) AND (n = 2 OR n = 3))")
@example("(n <> 0 AND n <> 1) OR (n <> 2 AND n <> 3)")
@example("NOT (n = 1 AND n <> 1)")
@example("NOT (label LIKE 'a%' AND label NOT LIKE 'a%')")
@example("NOT (n < 1 AND n > 5) OR NOT (n BETWEEN 5 AND 1)")
def test_a_predicate_keeps_what_another_engine_keeps(
    same: tuple[Keeps, Oracle], where: str
) -> None:
    keeps, oracle = same
    assert keeps(where) == oracle.keeps(where)


@settings(max_examples=300, deadline=None)
@given(where=ATOMS, garbage=GARBAGE, at=st.sampled_from(["{} {}", "{1} {0}", "({}) {}", "{} {} 1"]))
@example("label = 'a'", "adn n > 1000", "{} {}")
@example("label = 'a'", "limit 1", "{} {}")
@example("label = 'a'", "; and n > 1000", "{} {}")
@example("n = 1", ") or ( n = 2", "{} {}")
@example("n = 1", "and n", "{} {} 1")
def test_what_is_added_to_a_predicate_counts_or_is_refused(
    same: tuple[Keeps, Oracle], where: str, garbage: str, at: str
) -> None:
    keeps, oracle = same
    text = at.format(where, garbage)
    try:
        kept = keeps(text)
    except InvalidFilter:
        return
    assert kept == oracle.keeps(text)


@settings(max_examples=300, deadline=None)
@given(words=GARBAGE, more=GARBAGE)
def test_no_text_means_something_else_than_in_standard_sql(
    same: tuple[Keeps, Oracle], words: str, more: str
) -> None:
    keeps, oracle = same
    for text in (words, f"n {words}", f"n = 1 {words} {more}"):
        try:
            kept = keeps(text)
        except InvalidFilter:
            continue
        assert kept == oracle.keeps(text)


# How large


@pytest.mark.parametrize(
    "nested",
    [
        lambda d: "(" * d + "i8 = 2" + ")" * d,
        lambda d: "NOT (" * (d // 2) + "i8 = 2" + ")" * (d // 2),
        lambda d: "i8 = " + "(1 + " * d + "i8" + ")" * d,
        lambda d: "(i8 = 2 AND " * d + "flag" + ")" * d,
        lambda d: "abs(" * d + "f64" + ")" * d + " = 2",
        lambda d: "i8 IN (1, " + "coalesce(1, " * (d - 1) + "i8" + ")" * d,
    ],
    ids=range(6),
)
def test_what_is_not_too_deep_is_answered(keeps: Keeps, nested: Callable[[int], str]) -> None:
    keeps(nested(MAX_DEPTH))
    with pytest.raises(InvalidFilter):
        keeps(nested(10 * MAX_DEPTH))


def test_thousands_of_conditions_are_answered(keeps: Keeps) -> None:
    many = 3000
    assert keeps(" OR ".join(f"i64 = {i}" for i in range(many))) == [1]
    assert keeps(" AND ".join(f"i64 <> {i + 3}" for i in range(many))) == [0, 1, 2]
    assert keeps(f"i64 IN ({', '.join(map(str, range(50_000)))})") == [1]


def test_comparisons_of_comparisons_do_not_multiply(keeps: Keeps) -> None:
    def nested(n: int) -> str:
        return "(" * n + "label = 'ok'" + ") = TRUE" * n

    assert keeps(nested(4)) == [1]
    with pytest.raises(InvalidFilter, match="IS TRUE"):
        keeps(nested(9))
    assert keeps("(" * 9 + "label = 'ok'" + ") IS TRUE" * 9) == [1]


def test_a_mask_is_not_kept_where_the_filter_changes_by_itself(table: Table) -> None:
    schema = table.schema
    assert predicate("us < '2024-01-01'", schema).is_stable
    for where in ("us < now()", "day < current_date", "i8 > random()"):
        assert not predicate(where, schema).is_stable
    filters = FilterCache(table)
    assert filters.mask("us < '2024-01-01'") is filters.mask("us < '2024-01-01'")
    assert filters.mask("us < now()") is not filters.mask("us < now()")
    assert date.today() > date(2024, 1, 2)
    mask = filters.mask("day < current_date")
    assert mask is not None
    assert mask.tolist() == [True, True, True, False]
