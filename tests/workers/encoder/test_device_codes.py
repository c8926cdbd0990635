"""Codes on a device: where they are put, and in which order they are sent."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from saelake.workers.dictionaries.codes import TokenCodes
from saelake.workers.encoder.device_codes import DeviceCodes

Code = tuple[int, int, int]
N_ROWS, N_POSITIONS, N_FEATURES = 5, 65_535, 1 << 20

codes = st.lists(
    st.tuples(
        st.integers(0, N_ROWS - 1),
        st.integers(0, N_POSITIONS - 1),
        st.integers(0, N_FEATURES - 1),
    ),
    unique=True,
)


def on_device(found: list[Code]) -> DeviceCodes:
    columns = np.array(found, np.int32).reshape(-1, 3)
    row, position, feature = (torch.from_numpy(column.copy()) for column in columns.T)
    return DeviceCodes(row, position, feature, torch.arange(len(found)).float())


@given(codes)
def test_sorted_is_by_row_then_feature_then_position(found: list[Code]) -> None:
    sent = on_device(found).sorted().to_host().to_numpy()
    expected = sorted(range(len(found)), key=lambda i: (found[i][0], found[i][2], found[i][1]))
    assert sent.value.astype(int).tolist() == expected
    assert list(zip(sent.row, sent.position, sent.feature, strict=True)) == [
        found[i] for i in expected
    ]


def test_codes_are_where_their_tokens_are() -> None:
    tokens = TokenCodes(
        token=torch.tensor([0, 0, 2]),
        feature=torch.tensor([1, 4, 3], dtype=torch.int32),
        value=torch.tensor([0.5, 1.5, 2.5]),
        n_tokens=3,
    )
    placed = DeviceCodes.of(tokens, np.array([7, 7, 9], np.int32), np.array([10, 11, 0])).to_numpy()
    assert placed.row.tolist() == [7, 7, 9]
    assert placed.position.tolist() == [10, 10, 0]
    assert placed.feature.tolist() == [1, 4, 3]
    assert placed.value.tolist() == [0.5, 1.5, 2.5]
    assert {placed.row.dtype, placed.position.dtype, placed.feature.dtype} == {np.dtype(np.int32)}


def test_batches_join_in_order_and_none_is_no_codes() -> None:
    first, second = on_device([(0, 1, 2), (0, 3, 2)]), on_device([(1, 0, 0)])
    joined = DeviceCodes.joined([first, second])
    assert joined is not None
    assert joined.row.tolist() == [0, 0, 1]
    assert DeviceCodes.joined([]) is None
