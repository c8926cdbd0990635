"""States as texts: whole, bounded, and of nothing but what they name."""

import zlib
from base64 import urlsafe_b64encode
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.store.errors import InvalidInput
from saelake.store.format.schema import NAME
from saelake.store.lake.lake import Lake
from saelake.store.lake.states import LONGEST, PREFIX, LakeState, is_state

PINS = st.from_regex(r"0|[1-9]\.[0-9a-f]{8}", fullmatch=True)
STATES = st.builds(
    LakeState,
    at=st.sampled_from(["v1", "2026-11-21T10:00:00+00:00", "a.b-c_D"]),
    tables=st.dictionaries(
        st.from_regex(NAME, fullmatch=True), st.from_regex(r"0|[1-9]\.[0-9a-f]{8}", fullmatch=True)
    ),
)


@given(STATES)
def test_a_state_is_read_back(state: LakeState) -> None:
    assert is_state(str(state))
    assert LakeState.parse(str(state)) == state
    assert str(state).isascii()


def text_of(said: bytes) -> str:
    return PREFIX + urlsafe_b64encode(zlib.compress(said)).decode()


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"[]",
        b'["x"]',
        b'["a/../b", {}]',
        b'["0001-01-01T00:00:00+14:00", {}]',
        b'["2026-11-21T10:00", {}]',
        b'["x", {"made": 3}]',
        b'["x", {"": "0"}]',
        b'["x", {"../other/made": "0"}]',
        b'["x", {"/other/made": "0"}]',
        b'["x", {"made": "3"}]',
        b'["x", {"made": "3.../../x"}]',
        b"[7, {}]",
        b'"xy"',
        b"[" * 100_000,
        b'["' + b" " * 400_000 + b'", {}]',
    ],
)
def test_what_is_no_state_is_refused(said: bytes) -> None:
    with pytest.raises(InvalidInput, match="no state of a lake"):
        LakeState.parse(text_of(said))


@given(st.text(max_size=60))
def test_no_text_is_anything_but_refused_or_read(text: str) -> None:
    with suppress(InvalidInput):
        LakeState.parse(PREFIX + text)


def test_a_long_text_is_not_looked_at() -> None:
    with pytest.raises(InvalidInput):
        LakeState.parse(PREFIX + "A" * LONGEST)


def test_a_table_is_opened_at_its_pin_or_else_at_the_time() -> None:
    state = LakeState(at="2026-11-21T10:00:00+00:00", tables={"made": "3.00c0ffee"})
    lake = Lake("place", str(state))
    assert lake.documents("made") == "place/made.lance#=3.00c0ffee"
    assert lake.documents("other") == "place/other.lance#2026-11-21T10:00:00+00:00"
    assert lake.place == "place as it was at a state"
