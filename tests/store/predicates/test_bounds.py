"""However a filter is put together, it asks of the engine what its bounds allow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.errors import InvalidFilter
from saelake.store.predicates.bounds import (
    MAX_HEIGHT,
    MAX_LITERAL,
    MAX_LITERALS,
    MAX_STEPS,
    MAX_VALUES,
)
from saelake.store.predicates.grammar import MAX_CHAIN, parse
from saelake.store.predicates.predicate import predicate
from saelake.store.tables.tables import Table
from tests.store.predicates.conftest import Keeps

LONG = "'" + "x" * MAX_LITERAL + "'"
ALL = ", ".join(["label"] * (MAX_VALUES + 1))
TOO_MUCH = {
    "concat of many": f"length(concat({ALL})) > 5",
    "joined by signs": f"length({ALL.replace(', ', ' || ')}) > 5",
    "coalesce of many": f"coalesce({ALL}) = 'x'",
    "a list of many": f"array_has([{ALL}], 'x')",
    "concat in concat": "concat(label, concat(label, label)) = 'x'",
    "joined in concat": "concat(label, lower(label || 'x')) = 'x'",
    "padded in joined": "lpad(label, 1000) || label = 'x'",
    "a list in concat": "concat(label, [label, 'x'][1]) = 'x'",
    "lists in a list": "[[label, 'x'], [label, 'y']][1][1] = 'x'",
    "a long literal beside a column": f"coalesce(label, {LONG[:-1]}x') = 'x'",
    "a long literal deeper": f"greatest(label, lower({LONG}), 'x') = 'x'",
    "a long literal joined": f"label || {LONG} || 'x' = 'x'",
    "many literals": f"array_has([{', '.join(['1'] * (MAX_LITERALS + 1))}], i8)",
    "a high sum": "((" + "i8" + (" + 1" * MAX_CHAIN + ")") * 2 + " + 1 = 2",
    "many functions": " OR ".join(["lower(label) = 'x'"] * (MAX_STEPS + 1)),
    "many sums": " OR ".join(["i8 + 1 = 3"] * (MAX_STEPS + 1)),
    "many patterns": " OR ".join(["label LIKE '%a%b%'"] * (MAX_STEPS + 1)),
    "many types": " OR ".join(["i8::string = '3'"] * (MAX_STEPS + 1)),
    "one chain": "i8" + " + i8" * 3000 + " > 3",
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_what_is_too_much_is_refused(what: str) -> None:
    with pytest.raises(InvalidFilter, match=r"cannot be used|in a row"):
        parse(TOO_MUCH[what])


@pytest.mark.parametrize(
    "where",
    [
        f"length(concat({', '.join(['label'] * MAX_VALUES)})) > 5",
        f"coalesce(label, {LONG}) = 'x'",
        "array_has_any(tags, [" + ", ".join(f"'t{i}'" for i in range(MAX_LITERALS)) + "])",
        "(i8" + " + 1" * MAX_CHAIN + ")" + " * 1" * (MAX_HEIGHT - MAX_CHAIN - 3) + " = 2",
        " OR ".join(["lower(label) = 'x'"] * MAX_STEPS),
        "lower(label) || ' ' || upper(\"Two Words\") = 'ok OK'",
        "i8 IN (" + ", ".join(map(str, range(50_000))) + ")",
        f"label = '{'x' * 100_000}'",
        "array_has(['a', 'b'], label)",
    ],
    ids=range(9),
)
def test_what_is_within_bounds_is_answered(keeps: Keeps, where: str) -> None:
    keeps(where)


VALUES = st.recursive(
    st.sampled_from(["label", '"Two Words"', "'x'", "'xyz'"]),
    lambda inner: st.one_of(
        st.builds("concat({}, {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("lpad({}, {})".format, inner, st.integers(0, 2000)),
        st.builds("rpad({}, {}, {})".format, inner, st.integers(0, 2**31), inner),
        st.builds("repeat({}, {})".format, inner, st.integers(0, 2**31)),
        st.builds("replace({}, {}, {})".format, inner, inner, inner),
        st.builds("regexp_replace({}, 'x', {})".format, inner, inner),
        st.builds("upper({})".format, inner),
        st.builds("coalesce({}, {})".format, inner, inner),
        st.builds("[{}, {}][1]".format, inner, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(value=VALUES)
def test_what_is_answered_makes_no_text_longer_than_its_bounds(keeps: Keeps, value: str) -> None:
    try:
        parse(f"label IS NOT NULL AND length(label) + length({value}) > -1")
    except InvalidFilter:
        return
    assert keeps(f"label IS NULL OR length(label) + length({value}) <= 4000") == [0, 1, 2, 3]


def test_rows_are_fewer_where_values_are_made_of_them(table: Table) -> None:
    for where in ("lower(label) = 'x'", "label || 'y' = 'xy'", "NOT (i8 = 1 OR sqrt(f64) = 1)"):
        assert predicate(where, table.schema).makes_values
    for where in ("label = 'x'", "i8 + 1 = 2", "label LIKE '%a%'"):
        assert not predicate(where, table.schema).makes_values
