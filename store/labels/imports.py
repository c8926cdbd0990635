"""Labels from elsewhere, put beside those of other explainers."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from saelake.store.errors import SaelakeWarning
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.labels.files import read_labels
from saelake.store.labels.labels import write_labels
from saelake.store.labels.written import pole_of
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.lake.lake import absolute
from saelake.store.snapshot.session import Session


def import_labels(
    session: Session,
    dictionary: str,
    path: Path,
    *,
    explainer: str | None = None,
    model: str | None = None,
) -> int:
    """Put a file's labels beside those of other explainers; how many. See `put_labels`.

    Raises what `read_labels` does.
    """
    rows = read_labels(path, explainer)
    return put_labels(session, dictionary, rows, where=str(path), model=model)


def put_labels(
    session: Session,
    dictionary: str,
    labels: Iterable[dict[str, Any]],
    *,
    where: str,
    model: str | None = None,
) -> int:
    """Put labels in place of all that the same explainers said; how many.

    Of several that one explainer has for a feature the last is taken. An empty one is none, and a
    `SaelakeWarning` says how many are. With `model` each has an embedding. Raises `NotFound` for a
    dictionary that the lake does not have, and `InvalidInput` for a feature that the dictionary
    does not have; `where` is where the labels are from.
    """
    poles = RegisteredDictionary.open(session.lake, dictionary).poles
    named = (
        row | {"feature": pole_of(row["feature"], poles, dictionary, f"{where} labels")}
        for row in labels
    )
    last = {(row["explainer"], row["feature"]): row for row in named}
    rows = [row for row in last.values() if row["label"].strip()]
    if n_empty := len(last) - len(rows):
        warnings.warn(
            f"{n_empty:,} of the {len(last):,} labels in {where} are empty: those features keep "
            "the labels that others gave them.",
            SaelakeWarning,
            stacklevel=2,
        )
    if model is not None and rows:
        vectors = session.texts.embed(model, [row["label"] for row in rows])
        for row, vector in zip(rows, vectors, strict=True):
            row |= {"embedder": absolute(model), "embedding": vector}
    write_labels(session.lake, dictionary, pa.Table.from_pylist(rows, LABELS_COLUMNS))
    return len(rows)
