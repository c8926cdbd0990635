"""Areas of a map stand in a filter by themselves, after NOT, and joined by AND."""

import pyarrow as pa
import pytest

from saelake.store.errors import InvalidFilter
from saelake.store.predicates.placed import may_be_placed, placed
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


def test_the_word_in_a_text_is_a_text() -> None:
    where = "title = 'within_map(1)'"
    assert may_be_placed(where)
    assert placed(where).areas == ()


def test_columns_know_of_no_areas() -> None:
    with pytest.raises(InvalidFilter, match="a collection that has a map"):
        predicate(AREA, pa.schema([("a", pa.int64())]))
