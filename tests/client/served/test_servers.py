"""Addresses of servers: one, several, and what is none."""

import pytest

from saelake.served.servers import Servers
from saelake.store.errors import InvalidInput, Unavailable


def test_one_address_is_left_to_grpc() -> None:
    servers = Servers.parse("grpc://lake.example.com:50051/")
    assert (servers.target(), servers.secure, servers.name) == (
        "lake.example.com:50051",
        False,
        None,
    )
    assert str(servers) == "lake.example.com:50051"


def test_several_are_looked_up_and_each_is_named_once() -> None:
    servers = Servers.parse("grpcs://127.0.0.1:1,localhost:2, 127.0.0.1:1")
    assert servers.target() == "ipv4:127.0.0.1:1,127.0.0.1:2"
    assert servers.secure
    assert servers.name == "127.0.0.1"


def test_addresses_of_version_6_are_in_brackets() -> None:
    assert Servers.parse("grpc://[::1]:1,[::1]:2").target() == "ipv6:[::1]:1,[::1]:2"


def test_a_name_that_nobody_has_is_said() -> None:
    with pytest.raises(Unavailable, match=r"Not all of the servers .*nobody\.invalid"):
        Servers.parse("grpc://127.0.0.1:1,nobody.invalid:2").target()


@pytest.mark.parametrize(
    "uri", ["grpc://", "grpcs:///", "grpc://a:1,b", "grpc://a:1,,b:2", "grpc://a:1,:2"]
)
def test_what_names_no_server_is_refused(uri: str) -> None:
    with pytest.raises(InvalidInput, match="no server"):
        Servers.parse(uri)
