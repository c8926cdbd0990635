"""Tokens, and what is kept of them."""

import pytest

from saelake.store.service.access.tokens import NO_TOKEN, new_token, split_token
from saelake.store.wire.tls import is_sendable


def test_a_token_is_found_by_its_id_and_known_by_its_secret() -> None:
    token, kept = new_token()
    found = split_token(token)
    assert found is not None
    assert found[0] == kept.id
    assert is_sendable(token)
    assert kept.fits(found[1])
    for wrong in (found[1][:-1], found[1] + "0", "", f"x{found[1][1:]}", "é", "\ud800"):
        assert not kept.fits(wrong)


def test_no_two_are_alike_and_nothing_tells_the_secret() -> None:
    tokens = [new_token() for _ in range(200)]
    assert len({token for token, _ in tokens}) == len({kept.salt for _, kept in tokens}) == 200
    for token, kept in tokens:
        _, secret = split_token(token) or ("", "")
        assert len(secret) == 64  # 256 bits
        assert secret not in repr(kept)


@pytest.mark.parametrize(
    "text", ["", "sl", "sl_", "sl_abc", "sl_abc_", "SL_abc_def", "x.y.z", "_a_b"]
)
def test_what_is_no_token_of_ours_is_none(text: str) -> None:
    assert split_token(text) is None


def test_no_token_fits_where_there_is_none() -> None:
    assert not NO_TOKEN.fits("")
