"""JSON files of labels: an object of feature to label, or `labels` as saelake writes them."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from saelake.store.errors import InvalidInput
from saelake.store.labels.reading import WRONG, label_of, made_of, read_json, scores_of

WRITTEN = ("feature", "pole", "label", "explainer", "scores", "made")


def read_document(path: Path, explainer: str | None) -> Iterator[dict[str, Any]]:
    """The labels of a file (see `read_labels`)."""
    document = read_json(path)
    if not isinstance(document, Mapping):
        raise InvalidInput(f"{path} holds no object of feature numbers and labels.", path=path)
    rows = document.get("labels")
    if isinstance(rows, list):
        yield from _rows(path, rows, explainer)
        return
    by = explainer or path.stem
    for feature, label in document.items():
        try:
            yield label_of(feature, label, by)
        except WRONG as error:
            raise InvalidInput(
                f"{path}: {feature!r}: {label!r:.200} is not a feature number and its label"
                f"{_why(error)}",
                path=path,
            ) from error


def _rows(path: Path, rows: Iterable[Any], explainer: str | None) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows, start=1):
        try:
            feature = f"{row.get('pole') or ''}{row['feature']}"
            by = explainer or row.get("explainer") or path.stem
            scores, made = scores_of(row.get("scores")), made_of(row.get("made"))
            yield label_of(feature, row["label"], by, scores, made)
        except WRONG as error:
            raise InvalidInput(
                f"{path}, label {number}: not a label, which has feature and label{_why(error)}",
                path=path,
            ) from error


def _why(error: Exception) -> str:
    return f": {error.message}" if isinstance(error, InvalidInput) else "."


def write_document(path: Path, rows: Iterable[Mapping[str, Any]]) -> int:
    """Write the labels of an answer, which has only values that JSON has; how many."""
    kept = [{name: row[name] for name in WRITTEN if row.get(name) is not None} for row in rows]
    with path.open("w", encoding="utf-8") as file:
        json.dump({"labels": kept}, file, ensure_ascii=False, indent=1)
    return len(kept)
