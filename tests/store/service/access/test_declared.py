"""What is declared of methods."""

import pytest

from saelake.store.service.access.declared import UNDECLARED, Declared, declared
from saelake.store.wire.requests import FORMER, METHODS, SERVICE


@pytest.mark.parametrize("method", METHODS)
def test_a_question_needs_what_it_says(method: str) -> None:
    assert declared(f"/{SERVICE}/{method}") == Declared(
        right=METHODS[method].right, question=method
    )


@pytest.mark.parametrize("method", FORMER)
def test_a_former_name_is_of_the_same_question(method: str) -> None:
    assert declared(f"/{SERVICE}/{method}").question == FORMER[method]


@pytest.mark.parametrize(
    "path",
    [
        f"/{SERVICE}/Nothing",
        f"/{SERVICE}/",
        f"/{SERVICE}",
        f"/{SERVICE}.More/Tokens",
        "/saelake.v2.Lake/Tokens",
        "/grpc.other.Service/Method",
        "",
    ],
)
def test_what_says_nothing_is_closed(path: str) -> None:
    assert declared(path) is UNDECLARED


def test_reflection_is_for_all_who_may_read() -> None:
    for version in ("v1", "v1alpha"):
        path = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
        assert declared(path) == Declared(right="read")
