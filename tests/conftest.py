"""Object stores for every test that asks for one."""

import os
from collections.abc import Iterator
from itertools import count

import pytest

from tests.s3 import VARIABLES, client, s3_server

_numbers = count()


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    with s3_server() as endpoint:
        yield endpoint


@pytest.fixture
def bucket(s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The URI of a new bucket, which the variables of this process lead to."""
    name = f"bucket-{next(_numbers)}"
    client(s3_endpoint).create_bucket(Bucket=name)
    for variable in [v for v in os.environ if v.startswith("AWS_")]:
        monkeypatch.delenv(variable)
    for variable, value in {**VARIABLES, "AWS_ENDPOINT_URL": s3_endpoint}.items():
        monkeypatch.setenv(variable, value)
    return f"s3://{name}"
