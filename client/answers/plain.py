"""Answers in terms of JSON: the same documents on every face that speaks it."""

import json
import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from saelake.store.errors import InvalidInput
from saelake.store.format.poles import numbered, parted
from saelake.store.format.visible import escaped


def plain(value: Any) -> Any:
    """The value in terms of JSON; what JSON lacks becomes text, and no number becomes null."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case datetime() | date() | time():
            return value.isoformat()
        case timedelta() | Decimal():
            return str(value)
        case bytes():
            return b64encode(value).decode()
        case Iterable():
            return [plain(item) for item in value]
    return str(value)


def as_json(value: Any) -> str:
    """What is plain as JSON, in which nothing commands or misleads who reads it."""
    return escaped(json.dumps(value, ensure_ascii=False, allow_nan=False))


def asked_feature(expression: str) -> dict[str, int | str]:
    """What was asked for: a feature's number, with its pole; or an expression."""
    try:
        feature, pole = parted(numbered(expression))
    except InvalidInput:
        return {"feature": expression.strip()}
    return {"feature": feature, "pole": pole} if pole else {"feature": feature}


def standing(chosen: Sequence[Any]) -> dict[str, Any]:
    """The features that stand for a phrase; with poles where these are told apart."""
    rows = [asdict(feature) for feature in chosen]
    unsaid = {"pole"} if all(row["pole"] is None for row in rows) else set()
    return {"chosen": [{k: v for k, v in row.items() if k not in unsaid} for row in rows]}
