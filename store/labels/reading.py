"""What files of labels are read with: JSON of bounded size, whose values are what they must be."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from saelake.store.errors import InvalidInput
from saelake.store.format.poles import numbered
from saelake.store.format.provenance import LabelMade, LabelScore, check_made, check_scores
from saelake.store.requests.checks import admit, checks
from saelake.store.requests.commands.labels import check_explainer, check_label

MOST_BYTES = 1 << 30  # of a file that is read at once
WRONG = (ValueError, TypeError, KeyError, AttributeError, RecursionError, InvalidInput)
T = TypeVar("T", LabelScore, LabelMade)
_CHECKS = {kind: checks(get_type_hints(kind)) for kind in (LabelScore, LabelMade)}


def read_json(path: Path) -> Any:
    """The value in a JSON file. Raises `InvalidInput`."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise InvalidInput(f"{path} is larger than a file of labels may be: 1 GiB.", path=path)
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error}.", path=path) from error
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path} is not JSON: {error}.", path=path) from error


def label_of(
    feature: Any,
    label: Any,
    explainer: str,
    scores: Sequence[LabelScore] = (),
    made: LabelMade | None = None,
) -> dict[str, Any]:
    """A label as `read_labels` has it. Raises one of `WRONG` for what cannot be one."""
    number = numbered(str(feature))
    if not isinstance(label, str):
        raise ValueError(f"{feature!r}: {label!r}")
    label.encode()  # half a character is no text
    check_explainer(explainer)
    if label.strip():
        check_label(label)
    check_scores(tuple(scores))
    check_made(made)
    said = {"feature": number, "label": label, "explainer": explainer}
    return {**said, "scores": tuple(scores), "made": made}


def scores_of(rows: Any) -> tuple[LabelScore, ...]:
    """The scores in a list of JSON objects. Raises one of `WRONG`."""
    return tuple(_value(LabelScore, row) for row in rows or ())


def made_of(row: Any) -> LabelMade | None:
    """What made a label, of a JSON object. Raises one of `WRONG`."""
    if row is None:
        return None
    time = row.get("time")
    return _value(
        LabelMade, {**row, "time": None if time is None else datetime.fromisoformat(time)}
    )


def _value(kind: type[T], row: Mapping[str, Any]) -> T:
    names = {field.name for field in fields(kind)}
    made = kind(
        **{name: value for name, value in row.items() if name in names and value is not None}
    )
    admit(made, _CHECKS[kind])
    return made
