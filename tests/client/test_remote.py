"""A lake behind a server: what is sent there."""

import warnings

import pytest

import saelake
from saelake.connection import TOKEN_VARIABLE
from saelake.store.errors import SentInClear

TOKEN = "a token of enough characters"


@pytest.mark.parametrize("target", ["grpc://example.com:1", "grpc://localhost:1,10.0.0.1:1"])
def test_a_token_in_clear_to_another_machine_is_a_warning(
    target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = target.removeprefix("grpc://")
    with pytest.warns(SentInClear, match=f"grpcs://{address}") as told:
        saelake.connect(target, token=TOKEN).close()
    assert told[0].filename == __file__
    assert TOKEN not in str(told[0].message)
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    with pytest.warns(SentInClear):
        saelake.connect(target).close()


@pytest.mark.parametrize(
    "target", ["grpc://localhost:1", "grpc://[::1]:1", "grpcs://example.com:1"]
)
def test_a_token_that_nobody_else_reads_is_none(target: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        saelake.connect(target, token=TOKEN).close()
        saelake.connect("grpc://example.com:1").close()
