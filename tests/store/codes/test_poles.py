"""Rows of signed dictionaries from before they had poles are read as those that have them."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.codes.poles import BY_POLE, by_pole, stored_columns
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.lists import Lists
from saelake.store.format.poles import NEGATIVE, POSITIVE, Poles, numbered, said
from saelake.store.format.schema import codes_schema
from saelake.store.snapshot.collection import Collection
from saelake.workers.encoder.pack import PageCodes, Part, pack
from tests.lakes import make_lake
from tests.lakes import settings as collection_settings

D_SAE = 5
BEFORE = collection_settings(n_features=D_SAE, signed=True, by_pole=False)
NAMES = ("doc", "part", *BY_POLE)


def rows(codes: list[tuple[int, int, int, float]], n_rows: int) -> pa.RecordBatch:
    """Rows as they were stored, of (row, position, feature, value)."""
    columns = list(zip(*codes, strict=True)) or [(), (), (), ()]
    row, position, feature = (np.array(column, np.int32) for column in columns[:3])
    parts = [
        Part(
            doc=doc,
            token_ids=np.zeros(9, np.int32),
            starts=np.zeros(9, np.uint32),
            lengths=np.zeros(9, np.uint16),
        )
        for doc in range(n_rows)
    ]
    page = PageCodes(row, position, feature, np.array(columns[3], np.float32))
    return pack(parts, page, schema=codes_schema(BEFORE), codec=BEFORE.codec)


@settings(max_examples=150, deadline=None)
@given(
    found=st.dictionaries(
        st.tuples(st.integers(0, 3), st.integers(0, 8), st.integers(0, D_SAE - 1)),
        st.sampled_from([-4.0, -1.5, -0.5, 0.5, 1.5, 4.0]),
        max_size=40,
    )
)
def test_values_of_a_feature_are_told_apart_by_sign(
    found: dict[tuple[int, int, int], float],
) -> None:
    read = by_pole(rows([(*k, v) for k, v in found.items()], 4), NAMES, BEFORE)
    assert read.schema.names == list(NAMES)
    lists = {name: Lists.of(read[name]) for name in BY_POLE}
    decoded = BEFORE.codec.decode(lists["values"].values)
    for row in range(4):
        expected: dict[int, dict[int, float]] = {}
        for (at, position, feature), value in sorted(found.items()):
            if at == row:
                pole = feature + D_SAE * (value < 0)
                expected.setdefault(pole, {})[position] = abs(value)
        assert lists["features"][row].tolist() == sorted(expected)
        ordered = [expected[pole] for pole in sorted(expected)]
        assert lists["counts"][row].tolist() == [len(group) for group in ordered]
        assert lists["positions"][row].tolist() == [p for group in ordered for p in group]
        values = Lists(lists["values"].offsets, decoded)[row]
        assert values.tolist() == [v for group in ordered for v in group.values()]
        maxima = BEFORE.codec.decode(lists["max"][row])
        assert maxima.tolist() == [max(group.values()) for group in ordered]


@pytest.mark.parametrize("columns", [("features",), ("features", "max"), ("counts", "values")])
def test_some_columns_are_those_of_all(columns: tuple[str, ...]) -> None:
    stored = rows([(0, 1, 2, -1.5), (0, 3, 2, 0.5), (1, 0, 0, -4.0)], 3)
    asked = ("doc", *columns)
    some = by_pole(stored.select(stored_columns(asked, BEFORE)), asked, BEFORE)
    assert some.equals(by_pole(stored, NAMES, BEFORE).select(list(asked)))


def test_columns_without_features_are_read_as_they_are() -> None:
    assert stored_columns(("doc", "token_ids"), BEFORE) == ["doc", "token_ids"]
    stored = rows([(0, 1, 2, -1.5)], 1).select(["doc", "token_ids"])
    assert by_pole(stored, ("doc", "token_ids"), BEFORE) is stored


def test_a_collection_reads_both_forms_alike(tmp_path: Path) -> None:
    """The same codes, stored in both forms: every column of every reading is the same."""
    before, after = (
        make_lake(tmp_path / str(form), signed=True, by_pole=form, seed=3, failed={(2, 0)})
        for form in (False, True)
    )
    assert before.codes == after.codes
    docs = np.array([5, 2, 9, 9, 30], np.uint64)
    one, other = (Collection(made.lake, made.name).codes for made in (before, after))
    for mine, theirs in zip(one.rows(docs), other.rows(docs), strict=True):
        assert mine[0] == theirs[0]
        for name in BY_POLE:
            np.testing.assert_array_equal(getattr(mine[1], name), getattr(theirs[1], name))
    for (i, mine_), (j, theirs_) in zip(
        enumerate(one.scan(NAMES)), enumerate(other.scan(NAMES)), strict=True
    ):
        assert i == j
        for name in ("features", "counts", "positions"):
            assert mine_[name].equals(theirs_[name])


# --- numbers of questions ---


@given(feature=st.integers(0, POSITIVE - 1), sign=st.sampled_from(["", "+", "-"]))
def test_a_number_is_its_text(feature: int, sign: str) -> None:
    number = numbered(f" {sign}{feature}")
    assert said(number) == f"{sign}{feature}"
    assert abs(number) < 1 << 63


def test_what_numbers_mean() -> None:
    signed, plain = Poles(D_SAE, signed=True), Poles(D_SAE, signed=False)
    assert (signed.width, plain.width) == (10, 5)
    assert signed.of(3, "x") == (3, 8)
    assert signed.of(-3, "x") == signed.of(NEGATIVE + 3, "x") == (8,)
    assert signed.of(POSITIVE + 3, "x") == plain.of(POSITIVE + 3, "x") == plain.of(3, "x") == (3,)
    assert (numbered("-0"), signed.of(numbered("-0"), "x")) == (NEGATIVE, (5,))
    assert [signed.name(pole) for pole in (0, 3, 5, 8)] == ["+0", "+3", "-0", "-3"]
    assert plain.name(3) == "3"
    for poles, number, wrong in (
        (signed, 5, "no feature 5: its features are 0 to 4"),
        (signed, -5, "no feature -5: its features are 0 to 4"),
        (plain, -3, "no feature -3: .* never negative"),
        (plain, NEGATIVE, "no feature -0: .* never negative"),
        (plain, -7, "no feature -7: its features are 0 to 4"),
    ):
        with pytest.raises(NotFound, match=f"^x has {wrong}"):
            poles.of(number, "x")
    for text in ("x", "", "1.5", "- ", "--3", str(POSITIVE)):
        with pytest.raises(InvalidInput):
            numbered(text)
