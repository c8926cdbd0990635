"""Areas of a map stand in a filter by themselves, after NOT, and joined by AND."""

import pyarrow as pa
import pytest

from saelake.store.errors import InvalidFilter, InvalidInput
from saelake.store.predicates.placed import may_be_placed, placed, rest_of
from saelake.store.predicates.predicate import predicate

AREA = "within_map('0 0, 1 0, 1 1')"


@pytest.mark.parametrize(
    ("where", "negated", "has_rest"),
    [
        (AREA, [False], False),
        (f"NOT {AREA}", [True], False),
        (f"NOT NOT {AREA}", [False], False),
        (f"label = 'a' AND {AREA}", [False], True),
        (f"({AREA}) AND (a = 1 OR b = 2) AND (NOT {AREA})", [False, True], True),
        (AREA.upper().replace("WITHIN_MAP", "Within_Map"), [False], False),
    ],
)
def test_areas_come_apart_from_the_rest(where: str, negated: list[bool], has_rest: bool) -> None:
    found = placed(where)
    assert [area.negated for area in found.areas] == negated
    assert (found.rest is not None) == has_rest


@pytest.mark.parametrize(
    "where",
    [
        f"{AREA} OR a = 1",
        f"NOT ({AREA} AND a = 1)",
        f"{AREA} = TRUE",
        f"{AREA} IS NULL",
        "within_map(a)",
        "within_map('0 0, 1 1')",
        "within_map('0 0, 1 0, 1 1', 'a')",
    ],
)
def test_elsewhere_they_have_no_meaning(where: str) -> None:
    with pytest.raises(InvalidFilter, match="is not understood"):
        placed(where)


@pytest.mark.parametrize(
    ("where", "rest"),
    [
        ("a > 1 OR b = 2", "(a > 1 OR b = 2) IS NOT TRUE"),
        (AREA, f"NOT ({AREA})"),
        (f"NOT {AREA}", f"NOT (NOT {AREA})"),
    ],
)
def test_the_rest_of_a_filter_is_one(where: str, rest: str) -> None:
    assert rest_of(where) == rest


def test_what_has_no_rest_says_so() -> None:
    with pytest.raises(InvalidFilter, match="Take the rest of the area alone"):
        rest_of(f"{AREA} AND a = 1")
    with pytest.raises(InvalidInput, match="name a selection first"):
        rest_of(None)


def test_the_word_in_a_text_is_a_text() -> None:
    where = "title = 'within_map(1)'"
    assert may_be_placed(where)
    assert placed(where).areas == ()


def test_columns_know_of_no_areas() -> None:
    with pytest.raises(InvalidFilter, match="a collection that has a map"):
        predicate(AREA, pa.schema([("a", pa.int64())]))
