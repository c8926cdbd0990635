"""What disks and object stores say when they fail, as errors that name the lake and the remedy."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

from saelake.store.errors import AccessDenied, NotFound, OutOfSpace, SaelakeError, Unavailable
from saelake.store.requests.waited.waiting import wait
from saelake.store.tables.objectstore import S3, is_s3

P = ParamSpec("P")
R = TypeVar("R")

# Lance hands errors of its object stores on as text, Arrow with a word of Amazon's library in it.
_SYSTEM = re.compile(r"os error (\d+)|Errno (\d+)")
_NO_SPACE, _NO_RIGHT = (28, 122), {1: "not permitted", 13: "permission denied", 30: "read-only"}
_NO_BUCKET = re.compile(r"NoSuchBucket|NO_SUCH_BUCKET")
_NO_CREDENTIALS = re.compile(r"CredentialsNotLoaded|no providers in chain|Failed to get AWS cred")
_REFUSED = re.compile(
    r"403 Forbidden|401 Unauthorized|HTTP status 40[13]|ACCESS_DENIED|lacked the necessary priv"
    r"|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|InvalidAccessKeyId|SignatureDoesNotMatch"
)
_AWAY = re.compile(
    r"HTTP error: |error decoding response|timed out|NETWORK_CONNECTION|REQUEST_TIMEOUT"
    r"|status code: (?:408|429|5\d\d)|HTTP status (?:408|429|5\d\d)|SLOW_DOWN|SERVICE_UNAVAILABLE"
    r"|INTERNAL_FAILURE|end of file before message length|connection (?:closed|reset|refused)"
)
# What of a long error says what happened, best first.
_SAID = [
    re.compile(r"status code: (\d+ [A-Z][A-Za-z ]+)"),
    re.compile(r"curlCode: \d+, ([^;]+)"),
    re.compile(r"(HTTP status \d+)"),
    re.compile(r"HTTP error: ([a-z ]+)"),
    re.compile(r"AWS Error (\w+)"),
]


def storage_error(error: Exception, uri: str) -> SaelakeError | None:
    """The error of ours that an error of reading or writing `uri` stands for, if it is known."""
    text = str(error)
    if isinstance(error, SaelakeError):
        return None
    return _store_error(text, uri) if is_s3(uri) else _disk_error(text, uri)


def _disk_error(text: str, uri: str) -> SaelakeError | None:
    found = _SYSTEM.search(text)
    number = int(found[1] or found[2]) if found else 0
    if number in _NO_SPACE:
        return OutOfSpace(
            f"{uri}: no space is left on the disk. Free some, and run the same command again; what "
            "was committed is kept.",
            uri=uri,
        )
    if number in _NO_RIGHT:
        return AccessDenied(
            f"{uri} cannot be used: {_NO_RIGHT[number]}. Give this user the right to it, or name "
            "another lake.",
            uri=uri,
        )
    return None


def _store_error(text: str, uri: str) -> SaelakeError | None:
    store = S3.of(os.environ).endpoint or "Amazon S3"
    if _NO_BUCKET.search(text):
        bucket = uri.removeprefix("s3://").partition("/")[0]
        return NotFound(
            f"{uri}: {store} has no bucket {bucket!r}. Make it, or check the lake's address and "
            "AWS_ENDPOINT_URL.",
            uri=uri,
        )
    if _NO_CREDENTIALS.search(text):
        return AccessDenied(
            f"{uri}: there are no credentials for {store}. Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; for a public bucket AWS_SKIP_SIGNATURE=true.",
            uri=uri,
        )
    if _REFUSED.search(text):
        return AccessDenied(
            f"{uri}: {store} refuses access ({_said(text)}). Check the credentials "
            "(AWS_ACCESS_KEY_ID, AWS_PROFILE, …) and their rights: readers get and list objects, "
            "writers also put and delete them.",
            uri=uri,
        )
    if _AWAY.search(text):
        return Unavailable(
            f"{uri}: {store} does not answer ({_said(text)}). Check the network and "
            "AWS_ENDPOINT_URL, and run the same command again; what was committed is kept.",
            uri=uri,
        )
    return None


def _said(text: str) -> str:
    found = (pattern.search(text) for pattern in _SAID)
    return next((match[1] for match in found if match), "no reason given")


@contextmanager
def storage_errors(uri: str) -> Iterator[None]:
    """Raise what a disk or object store says about `uri` as an error of ours.

    Those are `AccessDenied`, `NotFound` (of a bucket), `OutOfSpace` and `Unavailable`.
    """
    wait()
    try:
        yield
    except (OSError, ValueError) as error:
        known = storage_error(error, uri)
        if known is None:
            raise
        raise known from error


def stored(function: Callable[P, R]) -> Callable[P, R]:
    """A function or method whose first argument is a URI, or has one, with `storage_errors`."""

    @wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        first = args[0]
        with storage_errors(first if isinstance(first, str) else first.uri):  # type: ignore[attr-defined]
            return function(*args, **kwargs)

    return wrapped
