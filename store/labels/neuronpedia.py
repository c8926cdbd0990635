"""Neuronpedia's explanations: rows of JSON, alone or with the scores that they were given.

Its exports have a folder `explanations` with a row for each explanation, and `explanation-scores`
with a row for each feature, in which `explanations` have `scores`: the kind of a score is its
`explanationScoreTypeName`.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from saelake.store.errors import InvalidInput
from saelake.store.format.provenance import LabelScore, ScoreKind
from saelake.store.labels.reading import WRONG, label_of, made_of, scores_of

DEFAULT_EXPLAINER = "imported"
LONGEST_LINE = 1 << 28  # bytes
KINDS: Mapping[str, ScoreKind] = {
    "eleuther_recall": "detection",
    "eleuther_detection": "detection",
    "eleuther_fuzz": "fuzzing",
    "eleuther_embedding": "embedding",
}
NAMES = {kind: name for name, kind in reversed(list(KINDS.items()))}
OURS = "saelake"  # what of a row no other program has a place for


def read_explanations(
    paths: Sequence[Path], explainer: str | None, source: str | None
) -> Iterator[dict[str, Any]]:
    """The labels of files (see `read_labels`).

    Raises `InvalidInput` where they are of two layers and none is named.
    """
    layers: set[str] = set()
    for path in paths:
        for number, line in _lines(path):
            try:
                row = json.loads(line)
                if not _is_of(row, source, layers):
                    continue
                for each in _explanations(row):
                    yield _label(row, each, explainer)
            except WRONG as error:
                raise _wrong(path, number, error) from error
            if len(layers) > 1:
                raise InvalidInput(
                    f"{path}, line {number}: these explanations are of {_several(layers)}: say "
                    "which with --source.",
                    path=path,
                )


def _is_of(row: Mapping[str, Any], source: str | None, layers: set[str]) -> bool:
    """Whether a row is of the source; `layers` has those that were met."""
    layer = row.get("layer")
    if source is not None:
        return layer == source
    layers |= set() if layer is None else {str(layer)}
    return True


def _several(layers: Iterable[str]) -> str:
    return " and ".join(repr(layer) for layer in sorted(layers))


def _explanations(row: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found: Sequence[Mapping[str, Any]] = row.get("explanations", [row])
    return found


def _label(
    feature: Mapping[str, Any], row: Mapping[str, Any], explainer: str | None
) -> dict[str, Any]:
    by = explainer or row.get("explanationModelName") or DEFAULT_EXPLAINER
    ours = row.get(OURS)
    if ours is not None:
        scores, made = scores_of(ours.get("scores")), made_of(ours.get("made"))
    else:
        scores, made = _scores(row.get("scores")), None
    return label_of(feature["index"], row["description"], str(by), scores, made)


def _scores(rows: Any) -> tuple[LabelScore, ...]:
    return scores_of(
        {
            "kind": KINDS.get(row.get("explanationScoreTypeName"), "other"),
            "value": row["value"],
            "by": row.get("explanationScoreModelName"),
        }
        for row in rows or ()
        if row.get("value") is not None
    )


def _wrong(path: Path, number: int, error: Exception) -> InvalidInput:
    why = error.message if isinstance(error, InvalidInput) else f"{error!r:.200}"
    return InvalidInput(
        f"{path}, line {number}: not one of Neuronpedia's explanations, which have index and "
        f"description ({why}).",
        path=path,
    )


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as lines:
            number = 0
            while line := lines.readline(LONGEST_LINE):
                number += 1
                if len(line) == LONGEST_LINE:
                    raise InvalidInput(f"{path}, line {number}: too long a line.", path=path)
                if line.strip():
                    yield number, line
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"{path} cannot be read: {error}.", path=path) from error


def write_explanations(
    path: Path, rows: Iterable[Mapping[str, Any]], source: str, *, gzipped: bool = False
) -> int:
    """Write the labels of an answer as explanations of a layer, by line; how many."""
    n = 0
    opened: Any = gzip.open if gzipped else open
    with opened(path, "wt", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(_explanation(row, source), ensure_ascii=False) + "\n")
            n += 1
    return n


def _explanation(row: Mapping[str, Any], source: str) -> dict[str, Any]:
    scores = [
        {
            "value": score["value"],
            "explanationScoreTypeName": NAMES.get(score["kind"], score["kind"]),
            "explanationScoreModelName": score["by"],
        }
        for score in row.get("scores") or ()
    ]
    return {
        "layer": source,
        "index": f"{row.get('pole') or ''}{row['feature']}",
        "description": row["label"],
        "explanationModelName": row["explainer"],
        "typeName": OURS,
        "scores": scores,
        OURS: {"scores": row.get("scores"), "made": row.get("made")},
    }
