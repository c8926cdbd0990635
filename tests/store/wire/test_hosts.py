"""Which addresses are of this machine alone."""

import pytest

from saelake.store.wire.hosts import is_loopback, stays_here


@pytest.mark.parametrize(
    "target",
    [
        "localhost:50051",
        "127.0.0.1:1",
        "127.8.9.1",
        "[::1]:50051",
        "[::1]",
        "dns:///localhost:1",
        "unix:/run/saelake",
        "unix:///run/saelake",
        "localhost:1, 127.0.0.1:2",
    ],
)
def test_an_address_of_this_machine_is_one(target: str) -> None:
    assert stays_here(target)


@pytest.mark.parametrize(
    "target",
    [
        "example.com:50051",
        "10.0.0.1:1",
        "0.0.0.0:1",
        "[2001:db8::1]:1",
        "2001:db8::1",
        "localhost.example.com:1",
        "127.0.0.1.example.com:1",
        "dns:///example.com:1",
        "dns://127.0.0.1/example.com:1",
        "localhost:1,example.com:1",
        "",
    ],
)
def test_any_other_is_none(target: str) -> None:
    assert not stays_here(target)


def test_a_host_in_brackets_is_one_too() -> None:
    assert is_loopback("[::1]")
    assert not is_loopback("[::]")
