"""Filters have the functions that are listed, and of those only what cannot grow without bounds."""

import re
from pathlib import Path

import pytest

from saelake.store.errors import InvalidFilter
from saelake.store.predicates.functions import FUNCTIONS, MAX_PADDED, MAX_PATTERN
from saelake.store.predicates.grammar import parse
from saelake.store.predicates.placed import WITHIN_MAP
from tests.store.predicates.conftest import Keeps

GUIDE = Path(__file__).parents[3] / "docs" / "guide" / "filters.md"
# A filter with it, for each function, and how many of the four documents that keeps.
USED = {
    "abs": ("abs(f64) = 2", 1),
    "array_contains": ("array_contains(tags, 'new')", 2),
    "array_element": ("array_element(tags, 1) = 'x'", 1),
    "array_has": ("array_has(tags, 'new')", 2),
    "array_has_all": ("array_has_all(tags, ['x', 'new'])", 1),
    "array_has_any": ("array_has_any(tags, ['x', 'y'])", 1),
    "array_length": ("array_length(tags) = 2", 1),
    "array_max": ("array_max(tags) = 'x'", 1),
    "array_min": ("array_min(tags) = 'new'", 2),
    "array_position": ("array_position(tags, 'new') = 2", 1),
    "arrow_cast": ("arrow_cast(label, 'LargeUtf8') = 'ok'", 1),
    "btrim": ("btrim(label) = 'ok'", 1),
    "cardinality": ("cardinality(tags) > 1", 1),
    "ceil": ("ceil(f64) = 2", 1),
    "char_length": ("char_length(label) = 2", 1),
    "character_length": ("character_length(label) = 2", 1),
    "coalesce": ("coalesce(label, 'none') = 'none'", 1),
    "concat": ("concat(label, '-', \"Two Words\") = 'ok-ok'", 1),
    "concat_ws": ("concat_ws('-', label, \"Two Words\") = 'ok-ok'", 1),
    "contains": ("contains(label, 'pa')", 1),
    "current_date": ("day < current_date()", 3),
    "current_time": (
        "arrow_cast(current_time, 'Time64(Microsecond)') < clock OR i8 IS NOT NULL",
        3,
    ),
    "current_timestamp": ("utc < current_timestamp", 3),
    "date_part": ("date_part('year', day) = 2024", 2),
    "date_trunc": ("date_trunc('year', us) = '2024-01-01'", 2),
    "empty": ("empty(tags)", 1),
    "ends_with": ("ends_with(label, 'am')", 1),
    "exp": ("exp(f64) > 2", 1),
    "floor": ("floor(f64) = 0", 1),
    "from_unixtime": ("from_unixtime(twin) < '2000-01-01'", 3),
    "greatest": ("greatest(i8, twin) = 2", 1),
    "isnan": ("NOT isnan(f64)", 3),
    "least": ("least(i8, twin) = 2", 1),
    "left": ("left(label, 1) = 'o'", 1),
    "length": ("length(label) = 2", 1),
    "list_contains": ("list_contains(tags, 'new')", 2),
    "list_has": ("list_has(tags, 'new')", 2),
    "list_has_all": ("list_has_all(tags, ['x', 'new'])", 1),
    "list_has_any": ("list_has_any(tags, ['x', 'y'])", 1),
    "list_length": ("list_length(tags) = 2", 1),
    "ln": ("ln(twin) = 0", 1),
    "log10": ("log10(twin) = 0", 1),
    "log2": ("log2(twin) = 1", 1),
    "lower": ("lower(label) = 'ok'", 1),
    "lpad": ("lpad(label, 3, '_') = '_ok'", 1),
    "ltrim": ("ltrim(label) = 'ok'", 1),
    "make_array": ("array_has(make_array(i8, 7), twin)", 1),
    "now": ("us < now()", 3),
    "nullif": ("nullif(label, 'ok') IS NULL", 2),
    "nvl": ("nvl(label, 'none') = 'none'", 1),
    "octet_length": ("octet_length(label) = 2", 1),
    "power": ("power(twin, 2) = 4", 1),
    "random": ("twin > random()", 3),
    "regexp_count": ("regexp_count(label, 'k') = 1", 1),
    "regexp_like": ("regexp_like(label, '^S', 'i')", 1),
    "regexp_match": ("regexp_match(label, '^s') IS NOT NULL", 1),
    "replace": ("replace(label, 'spa', 'ja') = 'jam'", 1),
    "reverse": ("reverse(label) = 'ko'", 1),
    "right": ("right(label, 1) = 'm'", 1),
    "round": ("round(f64) = 2", 1),
    "rpad": ("rpad(label, 3, '_') = 'ok_'", 1),
    "rtrim": ("rtrim(label) = 'ok'", 1),
    "signum": ("signum(f64) < 0", 1),
    "split_part": ("split_part(label, 'p', 2) = 'am'", 1),
    "sqrt": ("sqrt(twin) = 1", 1),
    "starts_with": ("starts_with(label, 's')", 1),
    "strpos": ("strpos(label, 'k') = 2", 1),
    "substr": ("substr(label, 1, 1) = 'o'", 1),
    "substring": ("substring(label, 1, 1) = 'o'", 1),
    "to_date": ("to_date(twin) < '2024-01-01'", 3),
    "to_timestamp": ("to_timestamp(twin) < '2024-01-01'", 3),
    "to_timestamp_micros": ("to_timestamp_micros(twin) < '2024-01-01'", 3),
    "to_timestamp_millis": ("to_timestamp_millis(twin) < '2024-01-01'", 3),
    "to_timestamp_nanos": ("to_timestamp_nanos(twin) < '2024-01-01'", 3),
    "to_timestamp_seconds": ("to_timestamp_seconds(twin) < '2024-01-01'", 3),
    "today": ("day < today()", 3),
    "trim": ("trim(label) = 'ok'", 1),
    "trunc": ("trunc(f64) = 2", 1),
    "upper": ("upper(label) = 'OK'", 1),
}
UNKNOWN = {
    "repeat(label, 600000000) = 'x'": "no function repeat. The nearest is",
    "length(repeat(repeat(label, 1000), 1000)) > 5": "no function repeat",
    "array_length(array_repeat(label, 100000000)) > 5": "no function array_repeat",
    "levenshtein(label, reverse(label)) > 3": "no function levenshtein",
    "regexp_replace(label, 's', 'sss') = 'x'": "no function regexp_replace. The nearest is reg",
    "startswith(label, 's')": "The nearest is starts_with",
    "range(0, i8) IS NULL": "no function range",
    "generate_series(1, i8) IS NULL": "no function generate_series",
    "string_agg(label, ',') = 'x'": "aggregate",
    '"Two Words" = REPEAT(label, 3)': "no function repeat",
    "label IN (repeat('a', 3), 'b')": "no function repeat",
    "i8 BETWEEN 1 AND factorial(i8)": "no function factorial",
    "tags[lcm(i8, 3)] = 'x'": "no function lcm",
    "CAST(translate(label, 'a', 'b') AS int) = 1": "no function translate",
    "NOT (flag AND chr(i8)::string IS NOT NULL)": "no function chr",
}
UNFIT = [
    f"lpad(label, {MAX_PADDED + 1}) = 'x'",
    "lpad(label, 2147483647) = 'x'",
    "rpad(label, 1000000000, 'x') = 'y'",
    "rpad(label, i8) = 'y'",
    "lpad(label, 10 * 1000000) = 'y'",
    "lpad(label, 1e3) = 'y'",
    "replace(label, 'a', 'aa') = 'x'",
    "replace(label, '', 'a') = 'x'",
    "replace(label, 'a', 'ä') = 'x'",
    "replace(label, 'a', \"Two Words\") = 'x'",
    "arrow_cast(raw, 'FixedSizeBinary(2000000000)') IS NULL",
    "arrow_cast(i8, 'FixedSizeList(2000000000, Int8)') IS NULL",
    'arrow_cast(label, "Two Words") IS NULL',
    f"regexp_like(label, '{'a' * (MAX_PATTERN + 1)}')",
    'regexp_like(label, "Two Words")',
    "regexp_like(label, '((a{1,1000}){1,1000}){1,1000}')",
    "regexp_match(label, 'a{99999999999999999999}') IS NOT NULL",
    f"label LIKE '{'%a' * MAX_PATTERN}'",
    'label NOT ILIKE "Two Words"',
    "label LIKE lower('A%')",
]


def test_each_function_is_used_here() -> None:
    assert set(USED) == FUNCTIONS - {WITHIN_MAP}  # which test_placed.py uses


@pytest.mark.parametrize("name", USED)
def test_a_listed_function_is_answered(keeps: Keeps, name: str) -> None:
    where, n_kept = USED[name]
    assert len(keeps(where)) == n_kept


def test_the_guide_lists_the_functions() -> None:
    text = GUIDE.read_text().partition("## Functions")[2].partition("\n## ")[0]
    listed = {
        name for row in text.splitlines() if row[:1] == "|" for name in re.findall(r"`(\w+)`", row)
    }
    assert listed == FUNCTIONS


@pytest.mark.parametrize("where", UNKNOWN)
def test_another_function_is_named_and_refused(where: str) -> None:
    with pytest.raises(InvalidFilter, match="is not understood from") as caught:
        parse(where)
    assert UNKNOWN[where] in str(caught.value)


def test_a_refusal_says_where_the_functions_are_listed() -> None:
    with pytest.raises(InvalidFilter, match="filters in the guide lists the functions"):
        parse("soundex(label) = 'x'")


@pytest.mark.parametrize("where", UNFIT)
def test_what_grows_or_searches_without_bounds_is_refused(where: str) -> None:
    with pytest.raises(InvalidFilter, match="cannot be used"):
        parse(where)


@pytest.mark.parametrize(
    "where",
    [
        "regexp_like(label, '^[a-z]{2,4}-[0-9]{4}$')",
        f"regexp_like(label, '{'a' * MAX_PATTERN}')",
        f"lpad(label, {MAX_PADDED}) = 'x'",
        "replace(replace(lower(label), '-', ' '), '_', '') = 'x'",
        f"label LIKE '%{'a' * (MAX_PATTERN - 2)}%'",
        "arrow_cast(i8, 'Decimal128(10, 2)') = 2",
        "arrow_cast(twin, 'Timestamp(Second, Some(\"UTC\"))') > '2024-01-01'",
    ],
    ids=range(7),
)
def test_what_is_within_bounds_is_answered(keeps: Keeps, where: str) -> None:
    keeps(where)
