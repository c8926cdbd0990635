"""Label files of other tools: a JSON object index -> label, and Neuronpedia's explanations."""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.poles import numbered

DEFAULT_EXPLAINER = "imported"


def read_labels(path: Path, explainer: str | None = None) -> Iterator[dict[str, Any]]:
    """The labels of a file: feature (as a question's number), label, explainer, score.

    A `.json` file holds one object, feature number to label (as Goodfire's are shipped); a
    `.jsonl` or `.jsonl.gz` file Neuronpedia's rows, with `index`, `description` and
    `explanationModelName`. The negative pole of a signed dictionary's feature is -243, as a number
    or in quotes. `explainer` says who made the labels, in place of what the file says.
    Raises `NotFound`, and `InvalidInput` naming the place in the file.
    """
    if not path.is_file():
        raise NotFound(f"There is no file {path}.", path=path)
    if path.suffixes[-1:] == [".json"]:
        yield from _object(path, explainer or path.stem)
    elif path.name.endswith((".jsonl", ".jsonl.gz")):
        yield from _explanations(path, explainer)
    else:
        raise InvalidInput(
            f"{path} is no label file: give .json (feature to label) or .jsonl[.gz] (Neuronpedia's "
            "explanations).",
            path=path,
        )


def _object(path: Path, explainer: str) -> Iterator[dict[str, Any]]:
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InvalidInput(f"{path} is not JSON: {error}.", path=path) from error
    if not isinstance(labels, Mapping):
        raise InvalidInput(f"{path} holds no object of feature numbers and labels.", path=path)
    for feature, label in labels.items():
        try:
            yield _row(feature, label, explainer)
        except (ValueError, TypeError) as error:
            raise InvalidInput(
                f"{path}: {feature!r}: {label!r} is not a feature number and its label.", path=path
            ) from error


def _explanations(path: Path, explainer: str | None) -> Iterator[dict[str, Any]]:
    for number, line in _lines(path):
        try:
            row = json.loads(line)
            by = explainer or row.get("explanationModelName") or DEFAULT_EXPLAINER
            yield _row(row["index"], row["description"], str(by))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise InvalidInput(
                f"{path}, line {number}: not one of Neuronpedia's explanations, which have index "
                f"and description ({error!r}).",
                path=path,
            ) from error


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as lines:
            yield from ((n, line) for n, line in enumerate(lines, start=1) if line.strip())
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"{path} cannot be read: {error}.", path=path) from error


def _row(feature: Any, label: Any, explainer: str) -> dict[str, Any]:
    """The label of a feature. Raises `ValueError` or `TypeError` for what cannot be one."""
    number = numbered(str(feature))
    if not isinstance(label, str):
        raise ValueError(f"{feature!r}: {label!r}")
    label.encode()  # half a character is no text
    return {"feature": number, "label": label, "explainer": explainer, "score": None}
