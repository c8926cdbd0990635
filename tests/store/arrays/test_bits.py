"""What is packed is what is unpacked, and bytes that are not such are refused."""

from contextlib import suppress

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.arrays import bits
from saelake.store.arrays.others import tokens_of
from saelake.store.arrays.windows import bounds_at, largest_of_groups, window_maxima
from saelake.store.errors import Corrupt
from saelake.store.format.values import value_codec
from saelake.store.index.others import (
    MOST_OTHERS,
    NONE_LEFT,
    UNKNOWN,
    Others,
    code_bounds,
    level_shift,
    others_of,
)
from saelake.store.index.packed import decoded
from saelake.store.index.tiers import Band, bands

NUMBERS = st.lists(st.integers(0, (1 << 33) - 1) | st.integers(0, 3), max_size=60)


@settings(deadline=None)
@given(st.lists(NUMBERS, min_size=1, max_size=4))
def test_runs_are_read_as_they_were_written(drawn: list[list[int]]) -> None:
    data, at = np.zeros(4 * 60 * 6, np.uint8), 0
    for each in drawn:
        begun = at
        at = bits.put_run(data, at, np.array(each, np.int64), len(each))
        width = max((n.bit_length() for n in each), default=0)
        assert at - begun == 1 + (len(each) * width + 7) // 8
    at = 0
    for each in drawn:
        found = np.empty(len(each), np.int64)
        at = bits.take_run(data, at, found, len(each))
        assert found.tolist() == each


def test_bytes_that_end_too_early_are_refused() -> None:
    data = np.zeros(200, np.uint8)
    end = bits.put_run(data, 0, np.arange(100), 100)
    for length in range(end):
        with pytest.raises(ValueError, match="cut short"):
            bits.take_run(data[:length], 0, np.empty(100, np.int64), 100)


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 300), st.integers(0, 300))
def test_any_bytes_are_unpacked_or_refused(drawn: bytes, n: int, n_others: int) -> None:
    """Nothing beyond them is read or written, whatever they are."""
    section = np.frombuffer(drawn, np.uint8)
    band = Band((section, section, section), n, n_others, 0, "postings.lance")
    for unpack in (
        lambda: band.postings(np.uint16),
        band.others,
        lambda: band.characters(np.arange(n, dtype=np.uint32)),
        lambda: band.postings_in(np.arange(300), np.uint16),
        lambda: band.others_at(np.arange(min(n, 20))),
        lambda: band.characters_at(np.arange(n), np.arange(n, dtype=np.uint32)),
    ):
        with suppress(Corrupt):
            unpack()


@settings(deadline=None)
@given(st.integers(1, 400), st.integers(0, 2**32 - 1), st.sampled_from([0.02, 0.5, 1]))
def test_a_few_postings_of_a_band_are_those_of_all(n: int, seed: int, share: float) -> None:
    random = np.random.default_rng(seed)
    band = _band(random, n)
    doc, max_, position = band.postings(np.uint16)
    wanted = np.flatnonzero(random.random(3 * n) < share)
    places, *found = band.postings_in(wanted, np.uint16)
    assert places.tolist() == np.flatnonzero(np.isin(doc, wanted)).tolist()
    for mine, whole in zip(found, (doc, max_, position), strict=True):
        assert mine.tolist() == whole[places].tolist()
    others, chosen = band.others(), band.others_at(places)
    assert chosen.count.tolist() == others.count[places].tolist()
    assert chosen.rest.tolist() == others.rest[places].tolist()
    for mine, whole in zip(chosen.listed(), others[places].listed(), strict=True):
        assert mine.tolist() == whole.tolist()
    for mine, whole in zip(
        band.characters_at(places, position[places]), band.characters(position), strict=True
    ):
        assert mine.tolist() == whole[places].tolist()


def _band(random: np.random.Generator, n: int) -> Band:
    """A band of random postings, of which some list all that they may, and some nothing."""
    doc = np.sort(random.choice(3 * n, n, replace=False)).astype(np.uint32)
    max_ = random.integers(7, random.integers(8, 60_000), n).astype(np.uint16)
    position = random.integers(0, 40, n).astype(np.uint32)
    count = random.integers(0, UNKNOWN + 1, n).astype(np.uint8)
    rest = np.where(count == MOST_OTHERS, random.integers(0, NONE_LEFT + 1, n), 0)
    listed = np.where(count > MOST_OTHERS, 0, count).astype(np.int64)
    begin, n_listed = np.cumsum(listed) - listed, int(listed.sum())
    lists = (
        random.integers(0, 5000, n_listed).astype(np.uint32),
        random.integers(0, 15, n_listed).astype(np.uint8),
    )
    start, length = random.integers(0, 300, n), random.integers(1, 12, n)
    places, data = np.arange(n), np.zeros(200 * n + 400, np.uint8)
    ends = [bits.put_postings(data, 0, places, doc, max_, position, 7)]
    written = (places, count, rest.astype(np.uint8), begin, lists, MOST_OTHERS)
    ends.append(bits.put_others(data, ends[0], *written))
    ends.append(bits.put_characters(data, ends[1], places, position, start, length))
    sections = data[: ends[0]], data[ends[0] : ends[1]], data[ends[1] : ends[2]]
    return Band(sections, n, n_listed, 7, "postings.lance")


@settings(deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=4))
def test_any_cells_have_bands_or_are_refused(drawn: list[bytes]) -> None:
    with suppress(Corrupt):
        for each in bands(pa.array(drawn, pa.large_binary()), np.uint16):
            for band in each:
                band.others()


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9), st.integers(-5, 5)), max_size=40),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=40),
    st.sampled_from([0, 1, 3, 1 << 40]),
)
def test_window_maxima_are_those_of_a_plain_search(
    drawn: list[tuple[int, int, int]], asked: list[tuple[int, int]], reach: int
) -> None:
    span = 10
    held = sorted({doc * span + position: value for doc, position, value in drawn}.items())
    keys = np.array([key for key, _ in held], np.int64)
    values = np.array([value for _, value in held], np.float32)
    anchors = np.array(sorted({doc * span + position for doc, position in asked}), np.int64)
    expected = [
        max(
            (v for k, v in held if k // span == a // span and abs(k - a) <= reach),
            default=-np.inf,
        )
        for a in anchors.tolist()
    ]
    assert window_maxima(keys, values, anchors, reach, span).tolist() == expected


@settings(deadline=None)
@given(st.lists(st.lists(st.floats(0.01, 1000), min_size=1, max_size=22), min_size=1, max_size=5))
@pytest.mark.parametrize(
    ("name", "signed"), [("16-bit", False), ("16-bit", True), ("8-bit", False)]
)
def test_other_tokens_are_the_strongest_and_within_their_bounds(
    name: str, signed: bool, drawn: list[list[float]]
) -> None:
    codec = value_codec(name, signed=signed)
    groups = [codec.encode(np.array(each, np.float32)) for each in drawn]
    counts = np.array([len(each) for each in groups])
    best = np.cumsum(counts) - counts + [int(each.argmax()) for each in groups]
    positions = np.concatenate([np.arange(len(each)) for each in groups]).astype(np.uint16)
    base = np.arange(len(groups), dtype=np.uint32) * 100
    found = others_of(counts, np.concatenate(groups), positions, best, base)
    posting, position, level = found.listed()
    for i, values in enumerate(groups):
        top = values.max()
        left = {p: v for p, v in enumerate(values) if p != int(values.argmax())}
        listed = posting == i
        assert np.all(np.diff(position[listed].astype(int)) > 0)
        lower, upper = code_bounds(np.full(int(listed.sum()), top), level[listed])
        for p, least, most in zip(position[listed] - base[i], lower, upper, strict=True):
            assert least <= left.pop(int(p)) <= most
        assert found.count[i] == min(len(values) - 1, MOST_OTHERS)
        if found.rest[i] == NONE_LEFT:
            assert not left
        else:
            most = code_bounds(np.array([top]), found.rest[i : i + 1])[1][0]
            assert max(left.values()) <= most
            assert level[listed].max() <= found.rest[i] or found.rest[i] == NONE_LEFT - 1


def test_nothing_is_known_of_what_is_forgotten() -> None:
    counts = np.array([3, 2])
    values = np.array([5, 9, 4, 7, 7], np.uint16)
    found = others_of(counts, values, np.arange(5).astype(np.uint16), np.array([1, 3]), counts * 0)
    found.forget(np.array([True, False]))
    assert found.count.tolist() == [UNKNOWN, 1]
    assert found.rest.tolist() == [0, NONE_LEFT]
    assert found.listed()[1].tolist() == [4]
    both = Others.joined([found, Others.unknown(1), found])
    assert both.count.tolist() == [UNKNOWN, 1, UNKNOWN, UNKNOWN, 1]
    assert both.listed()[0].tolist() == [1, 4]


@settings(deadline=None)
@given(st.integers(0, 60), st.integers(0, 2**32 - 1))
@pytest.mark.parametrize(("name", "signed"), [("16-bit", False), ("16-bit", True), ("8-bit", True)])
def test_tokens_are_those_of_the_maxima_and_the_others(
    name: str, signed: bool, n: int, seed: int
) -> None:
    random, codec = np.random.default_rng(seed), value_codec(name, signed=signed)
    index = np.sort(random.choice(2 * n, n, replace=False))
    code = random.integers(1, 120, n).astype(codec.dtype)
    position = random.integers(0, 40, n).astype(np.uint32)
    others = _band(random, n).others() if n else Others.unknown(0)
    for i in range(n):  # ascending, and not where the maximum is
        listed = slice(int(others.begin[i]), int(others.begin[i]) + _n_listed(others, i))
        size = listed.stop - listed.start
        free = np.setdiff1d(np.arange(41), position[i])
        others.position[listed] = np.sort(random.choice(free, size, replace=False))
    rest = np.full(2 * n, -np.inf, np.float32)
    limits = level_shift(codec.dtype), MOST_OTHERS
    keys, lower, upper = tokens_of(
        index, code, position, others.arrays, *limits, decoded(codec), rest
    )
    expected, left = [], np.full(2 * n, -np.inf, np.float32)
    for i in range(n):
        value = codec.decode(code[i : i + 1])[0]
        tokens = [(int(index[i]) << 32 | int(position[i]), value, value)]
        for j in range(int(others.begin[i]), int(others.begin[i]) + _n_listed(others, i)):
            bounds = code_bounds(code[i : i + 1], others.level[j : j + 1])
            least, most = (codec.decode(bound)[0] for bound in bounds)
            tokens.append((int(index[i]) << 32 | int(others.position[j]), least, most))
        expected += sorted(tokens)
        if others.rest[i] != NONE_LEFT:
            bound = code_bounds(code[i : i + 1], others.rest[i : i + 1])[1]
            left[index[i]] = codec.decode(bound)[0]
    assert list(zip(keys.tolist(), lower, upper, strict=True)) == expected
    assert rest.tolist() == left.tolist()


def _n_listed(others: Others, i: int) -> int:
    return int(others.count[i]) if others.count[i] <= MOST_OTHERS else 0


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 20), st.integers(-5, 5), st.integers(0, 3)), max_size=30),
    st.sets(st.integers(0, 22)),
)
def test_bounds_and_largest_values_are_those_of_a_plain_search(
    drawn: list[tuple[int, int, int]], asked: set[int]
) -> None:
    drawn = sorted(drawn)
    keys = np.array([key for key, _, _ in drawn], np.int64)
    lower = np.array([value for _, value, _ in drawn], np.float32)
    upper = lower + np.array([more for _, _, more in drawn], np.float32)
    anchors = np.array(sorted(asked), np.int64)
    found = bounds_at(keys, lower, upper, anchors)
    for bounds, values in zip(found, (lower, upper), strict=True):
        expected = [max(values[keys == a], default=-np.inf) for a in anchors.tolist()]
        assert bounds.tolist() == expected
    largest = [max(lower[keys == key], default=-np.inf) for key in range(23)]
    assert largest_of_groups(keys, lower, 23).tolist() == largest
