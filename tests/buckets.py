"""Buckets of the S3 server of tests, and variables that lead this process to it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.s3 import VARIABLES, client


def lead_to(endpoint: str, patched: pytest.MonkeyPatch) -> None:
    """Let the variables of this process lead to the server at this address, and nowhere else."""
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        patched.delenv(variable)
    for variable, value in {**VARIABLES, "AWS_ENDPOINT_URL": endpoint}.items():
        patched.setenv(variable, value)


@contextmanager
def new_bucket(endpoint: str, name: str) -> Iterator[str]:
    """The URI of a new bucket, which the variables of this process lead to within the block."""
    client(endpoint).create_bucket(Bucket=name)
    with pytest.MonkeyPatch.context() as patched:
        lead_to(endpoint, patched)
        yield f"s3://{name}"
