"""What answers hold, for OpenAPI: JSON schemas of Arrow's."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from saelake.store.requests.request import Request

STATE = "Saelake-State"
# What the rows of answers are called; that to `document` is one row.
ROWS: Mapping[str, str | None] = {
    "info": "collections",
    "tokens": "hits",
    "features": "features",
    "document": None,
    "similar": "hits",
    "retrieve": "hits",
    "select": "hits",
    "diff": "rows",
    "associate": "rows",
    "shares": "rows",
    "values": "rows",
    "correlate": "pairs",
    "cluster": "clusters",
    "map": "points",
    "match": "matches",
    "families": "families",
    "labels": "labels",
    "agreement": "pairs",
    "neighbors": "neighbors",
    "jobs": "jobs",
    "tags": "tags",
    "encode": "tokens",
    "windows": "windows",
    "places": "places",
}
FAILURE = {
    "type": "object",
    "required": ["error", "message", "data"],
    "properties": {
        "error": {"type": "string", "description": "The class of the error, as in Python."},
        "message": {"type": "string", "description": "What is wrong, and what to do about it."},
        "data": {"type": "object", "additionalProperties": {"type": "string"}},
    },
}


def answered(kind: type[Request], rows: str | None) -> dict[int | str, Any]:
    """The answers to a question, which calls its rows this; None is one that is a row itself."""
    whole = document_schema(kind, rows)
    state = {"description": "The state of the lake: ask `at` it again.", "schema": _STRING}
    return {200: {**_said("The answer.", whole), "headers": {STATE: state}}, **failures()}


def document_schema(kind: type[Request], rows: str | None) -> dict[str, Any]:
    """The document that answers a question: rows of this name, and what it says of itself.

    None is of an answer that is a row itself.
    """
    row = _object(kind.answer)
    if rows is None:
        return row
    several = {"type": "array", "items": row}
    return {"type": "object", "required": [rows], "properties": {rows: several}}


def failures() -> dict[int | str, Any]:
    """What may be answered in place of what was asked for."""
    return {
        400: _said("It cannot be asked so.", FAILURE),
        401: _said("The token is missing, wrong or expired.", FAILURE),
        403: _said("Whoever asks may not.", FAILURE),
        404: _said("There is no such lake, collection, document or feature.", FAILURE),
        429: _said("Too much at once: ask again after `Retry-After` seconds.", FAILURE),
        503: _said("The server does not answer.", FAILURE),
        504: _said("The answer did not come in time.", FAILURE),
        "default": _said("Something else went wrong.", FAILURE),
    }


def _said(about: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": about, "content": {"application/json": {"schema": schema}}}


def _object(columns: Any) -> dict[str, Any]:
    return {"type": "object", "properties": {f.name: _nullable(f.type) for f in columns}}


_STRING = {"type": "string"}


def _nullable(kind: pa.DataType) -> dict[str, Any]:
    found = _schema(kind)
    return {**found, "type": [found["type"], "null"]}


def _schema(kind: pa.DataType) -> dict[str, Any]:
    if pa.types.is_list(kind):
        return {"type": "array", "items": _nullable(kind.value_type)}
    if pa.types.is_struct(kind):
        return _object(kind)
    if pa.types.is_boolean(kind):
        return {"type": "boolean"}
    if pa.types.is_integer(kind):
        return {"type": "integer"}
    return {"type": "number"} if pa.types.is_floating(kind) else _STRING
