"""Where servers listen, and what is said where they cannot."""

import errno
import os

import pytest

from saelake.store.errors import InvalidInput
from saelake.store.wire.address import Address, cannot_listen


@pytest.mark.parametrize("text", ["192.0.2.1:5", "[::1]:5", "localhost:0"])
def test_an_address_is_written_as_it_is_read(text: str) -> None:
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize("text", ["", "here", "here:", "here:99999", "here:٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        Address.parse(text)


def test_it_is_said_why_nothing_can_listen_and_what_to_choose() -> None:
    why = OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
    said = cannot_listen(Address(port=5), "--metrics", why).message
    assert said.startswith("Cannot listen on 127.0.0.1:5 (Address already in use): ")
    assert "Choose another --metrics" in said
    assert "Cannot listen on 127.0.0.1:5: is" in str(
        cannot_listen(Address(port=5), "--port", RuntimeError("grpc"))
    )
