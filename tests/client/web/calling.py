"""Calls over HTTP as tests send them: with headers that no browser would send."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlencode, urlsplit

FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Answered:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """What an error says."""
        message: str = self.json["message"]
        return message


def connection(url: str, context: ssl.SSLContext | None = None) -> HTTPConnection:
    parts = urlsplit(url)
    assert parts.hostname is not None
    if parts.scheme == "https":
        return HTTPSConnection(parts.hostname, parts.port, timeout=60, context=context)
    return HTTPConnection(parts.hostname, parts.port, timeout=60)


def call(
    url: str,
    path: str,
    *,
    method: str = "GET",
    body: bytes | str | None = None,
    context: Any = None,  # an SSLContext
    **headers: str,
) -> Answered:
    """One call; a header is given by its name, with _ for -."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with_ = connection(url, context)
    try:
        with_.request(method, path, body=body, headers=named)
        found: HTTPResponse = with_.getresponse()
        known = {name.lower(): value for name, value in found.getheaders()}
        return Answered(found.status, known, found.read())
    finally:
        with_.close()


def question(url: str, name: str, **fields: Any) -> Answered:
    """A question by its address, of which fields may be given several times."""
    return call(url, f"/api/v1/{name}?{urlencode(fields, doseq=True)}")


def posted(url: str, path: str, document: Any, **headers: str) -> Answered:
    """A JSON document, sent."""
    body = json.dumps(document)
    return call(url, path, method="POST", body=body, Content_Type="application/json", **headers)
