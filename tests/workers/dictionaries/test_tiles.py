import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.workers.dictionaries.tiles import Tile

sizes = {
    "d_sae": st.integers(1, 1 << 21),
    "chunk_bytes": st.integers(1, 1 << 31),
    "item_bytes": st.sampled_from([2, 4, 8]),
    "cpu": st.booleans(),
}


@given(**sizes)
def test_a_tile_has_no_more_bytes_than_it_may(
    d_sae: int, chunk_bytes: int, item_bytes: int, cpu: bool
) -> None:
    tile = Tile.fitting(d_sae, chunk_bytes=chunk_bytes, item_bytes=item_bytes, cpu=cpu)
    assert tile.rows * tile.width * item_bytes <= max(chunk_bytes, 1024 * item_bytes)
    assert 1 <= tile.width <= d_sae


@given(**sizes)
def test_whole_rows_have_no_more_bytes_than_they_may_or_are_one(
    d_sae: int, chunk_bytes: int, item_bytes: int, cpu: bool
) -> None:
    tile = Tile.whole_rows(d_sae, chunk_bytes=chunk_bytes, item_bytes=item_bytes, cpu=cpu)
    assert tile.width == d_sae
    assert tile.rows * tile.width * item_bytes <= max(chunk_bytes, d_sae * item_bytes)


@pytest.mark.parametrize("d_sae", [1, 40, 1024, 1025, 1 << 20])
def test_blocks_are_all_features_once(d_sae: int) -> None:
    tile = Tile.fitting(d_sae, chunk_bytes=1, item_bytes=4, cpu=True)
    features = [f for block in tile.blocks(d_sae) for f in range(block.start, block.stop)]
    assert features == list(range(d_sae))


def test_a_million_features_are_encoded_many_tokens_at_a_time() -> None:
    tile = Tile.fitting(1 << 20, chunk_bytes=64 << 20, item_bytes=4, cpu=True)
    assert (tile.rows, tile.width) == (512, 8192)
    accelerated = Tile.fitting(1 << 20, chunk_bytes=64 << 20, item_bytes=4, cpu=False)
    assert (accelerated.rows, accelerated.width) == (512, 32_768)


def test_small_dictionaries_are_encoded_in_whole_rows() -> None:
    tile = Tile.fitting(4096, chunk_bytes=64 << 20, item_bytes=4, cpu=True)
    assert (tile.rows, tile.width) == (1024, 4096)
