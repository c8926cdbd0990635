"""Packed rows of codes against grouping by hand."""

from collections import defaultdict
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.store.errors import ValueOverflow
from saelake.store.format.schema import MAX_PART_TOKENS, codes_schema
from saelake.workers.encoder.pack import PageCodes, Part, pack
from tests.lakes import settings

D_SAE = 9


def part(n_tokens: int, doc: int = 0, number: int = 0) -> Part:
    ids = np.arange(n_tokens, dtype=np.int32) + 100 * doc
    return Part(
        doc=doc,
        part=number,
        token_ids=ids,
        starts=(2 * np.arange(n_tokens)).astype(np.uint32),
        lengths=np.ones(n_tokens, np.uint16),
    )


def activations(codes: list[tuple[int, int, int, float]]) -> PageCodes:
    columns = list(zip(*codes, strict=True)) or [(), (), (), ()]
    row, position, feature = (np.array(column, np.int32) for column in columns[:3])
    return PageCodes(row, position, feature, np.array(columns[3], np.float32))


def packed(parts: list[Part], codes: list[tuple[int, int, int, float]], **kind: Any) -> pa.Table:
    chosen = settings(n_features=D_SAE, **kind)
    schema = codes_schema(chosen)
    batch = pack(parts, activations(codes), schema=schema, codec=chosen.codec)
    batch.validate(full=True)
    assert batch.schema.equals(schema)
    return pa.table(batch)


def grouped(
    codes: list[tuple[int, int, int, float]], row: int, decode: dict[float, int]
) -> dict[str, list[int]]:
    """One row of the table, made code by code."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for at, position, feature, value in codes:
        if at == row:
            found[feature].append((position, decode[value]))
    groups = [sorted(found[feature]) for feature in sorted(found)]
    return {
        "features": sorted(found),
        "max": [max(value for _, value in group) for group in groups],
        "counts": [len(group) for group in groups],
        "positions": [position for group in groups for position, _ in group],
        "values": [value for group in groups for _, value in group],
    }


PLACES = st.sets(
    st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, D_SAE - 1)), max_size=40
).flatmap(lambda places: st.permutations(sorted(places)))


@given(places=PLACES, signed=st.booleans(), data=st.data())
def test_rows_are_the_codes_grouped_by_feature(
    places: list[tuple[int, int, int]], signed: bool, data: st.DataObject
) -> None:
    choices = [0.5, 1.0, 3.0, *([-0.5, -2.0] if signed else [])]
    codes = [(*place, data.draw(st.sampled_from(choices))) for place in places]
    codec = settings(n_features=D_SAE, signed=signed, by_pole=False).codec
    stored = codec.encode(np.array(choices, np.float32)).tolist()
    table = packed([part(6, doc) for doc in range(4)], codes, signed=signed, by_pole=False)
    for row, found in enumerate(table.to_pylist()):
        expected = grouped(codes, row, dict(zip(choices, stored, strict=True)))
        assert {name: found[name] for name in expected} == expected
        assert found["token_ids"] == [100 * row + i for i in range(6)]
        assert found["token_starts"] == [0, 2, 4, 6, 8, 10]


def test_rows_without_tokens_or_codes_have_empty_lists() -> None:
    table = packed([part(0, 3), part(2, 4)], [])
    assert [(row["doc"], row["features"], row["values"]) for row in table.to_pylist()] == [
        (3, [], []),
        (4, [], []),
    ]
    assert packed([], []).num_rows == 0


def test_a_part_may_be_as_long_as_positions_reach() -> None:
    last = MAX_PART_TOKENS - 1
    everywhere = [(0, position, 2, 1.0) for position in range(MAX_PART_TOKENS)]
    (row,) = packed([part(MAX_PART_TOKENS)], everywhere).to_pylist()
    assert (row["counts"], row["positions"][-1]) == ([MAX_PART_TOKENS], last)
    with pytest.raises(ValueError, match="65535"):
        part(MAX_PART_TOKENS + 1)


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e30, -1.0])
def test_a_value_that_cannot_be_stored_is_named(value: float) -> None:
    with pytest.raises(ValueOverflow) as caught:
        packed([part(2)], [(0, 0, 1, 1.0), (0, 1, 1, value)])
    assert caught.value.data["index"] == "1"


def test_a_part_says_why_it_has_no_codes() -> None:
    table = packed([part(2, 1), replace(part(2, 2), error="too large")], [(0, 0, 0, 1.0)])
    assert table["error"].to_pylist() == [None, "too large"]
