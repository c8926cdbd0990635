"""Labels from elsewhere, put beside those of other explainers."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from saelake.store.errors import SaelakeWarning
from saelake.store.labels.files import read_labels
from saelake.store.labels.rows import Row, label_row
from saelake.store.labels.written import pole_of, put_rows
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.lake.lake import absolute
from saelake.store.snapshot.session import Session


def import_labels(
    session: Session,
    dictionary: str,
    path: Path,
    *,
    explainer: str | None = None,
    source: str | None = None,
    model: str | None = None,
    keep_others: bool = False,
) -> int:
    """Put a file's labels beside those of other explainers; how many. See `put_labels`.

    Raises what `read_labels` does.
    """
    rows = read_labels(path, explainer, source)
    return put_labels(
        session, dictionary, rows, where=str(path), model=model, keep_others=keep_others
    )


def put_labels(
    session: Session,
    dictionary: str,
    labels: Iterable[dict[str, Any]],
    *,
    where: str,
    model: str | None = None,
    keep_others: bool = False,
) -> int:
    """Put labels in place of all that the same explainers said; how many.

    With `keep_others` only of what they said of the same features. Of several that one explainer
    has for a feature the last is taken. An empty one is none. A `SaelakeWarning` says how many
    there are of both. With `model` each has an embedding. Raises `NotFound` for a dictionary that
    the lake does not have, and `InvalidInput` for a feature that the dictionary does not have;
    `where` is where the labels are from.
    """
    poles = RegisteredDictionary.open(session.lake, dictionary).poles
    last: dict[tuple[str, int], Row] = {}
    n_labels = 0
    for said in labels:
        pole = pole_of(said["feature"], poles, dictionary, f"{where} labels")
        more = {"scores": said.get("scores", ()), "made": said.get("made")}
        last[said["explainer"], pole] = label_row(pole, said["label"], said["explainer"], **more)
        n_labels += 1
    rows = [row for row in last.values() if row["label"].strip()]
    _warn(where, n_labels=n_labels, n_last=len(last), n_rows=len(rows))
    if model is not None and rows:
        vectors = session.texts.embed(model, [row["label"] for row in rows])
        for row, vector in zip(rows, vectors, strict=True):
            row |= {"embedder": absolute(model), "embedding": vector}
    put_rows(session.lake, dictionary, rows, whole=not keep_others)
    return len(rows)


def _warn(where: str, *, n_labels: int, n_last: int, n_rows: int) -> None:
    """Say what of the labels was not taken."""
    if n_twice := n_labels - n_last:
        warnings.warn(
            f"{n_twice:,} of the {n_labels:,} labels in {where} are of a feature that has a later "
            "one by the same explainer, which is taken.",
            SaelakeWarning,
            stacklevel=3,
        )
    if n_empty := n_last - n_rows:
        warnings.warn(
            f"{n_empty:,} of the {n_last:,} labels in {where} are empty: those features keep "
            "the labels that others gave them.",
            SaelakeWarning,
            stacklevel=3,
        )
