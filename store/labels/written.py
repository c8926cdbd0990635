"""Labels that somebody writes, one by one or in batches, beside those of others."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from saelake.store.errors import Conflict, InvalidInput, NotFound
from saelake.store.format.poles import Poles, said
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.labels.commits import LabelEdit, commit_labels
from saelake.store.labels.rows import Row, dated, label_row, said_again
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.lake.lake import Lake
from saelake.store.requests.commands.labels import AUTOMATIC, NewLabel

Key = tuple[str, int]  # an explainer, and the pole that it labels


def set_labels(
    lake: Lake,
    dictionary: str,
    labels: Mapping[int, str] | Sequence[NewLabel],
    *,
    explainer: str,
    expect: str | None = None,
) -> int:
    """Put an explainer's labels of some features in place of those that it had; how many.

    Features are numbered as in a question; of a signed dictionary a plain number is the positive
    pole. The same again changes nothing, and of the same text all stays that is not said anew. With
    `expect` the explainer's label of each must be this (empty: none), else it is a `Conflict`,
    unless it is the new one already; an automatic one must be the new one. Raises `NotFound`.
    """
    poles = RegisteredDictionary.open(lake, dictionary).poles
    rows: dict[Key, Row] = {}
    for new in _several(labels):
        pole = pole_of(new.feature, poles, dictionary)
        row = label_row(pole, new.label, explainer, new.scores, new.made)
        rows[explainer, pole] = row

    def check(before: Mapping[Key, Row]) -> None:
        if explainer.startswith(AUTOMATIC):
            _check_there(rows, before)
        elif expect is not None:
            _check_expected(rows, before, expect)

    put_rows(lake, dictionary, rows.values(), check=check)
    return len(rows)


def put_rows(
    lake: Lake,
    dictionary: str,
    rows: Iterable[Row],
    *,
    whole: bool = False,
    check: Callable[[Mapping[Key, Row]], None] = lambda _: None,
) -> None:
    """Put rows of labels (`label_row`), by one commit, in place of those that they say anew.

    With `whole` also of all else that the same explainers said. `check` is given what is stored of
    the same features by the same explainers, and may raise.
    """
    new = {(row["explainer"], row["feature"]): row for row in rows}
    explainers = sorted({explainer for explainer, _ in new})

    def decide(stored: pa.Table) -> LabelEdit | None:
        columns = [stored[name].to_pylist() for name in ("explainer", "feature")]
        named = list(zip(*columns, strict=True))
        anew = np.array([key in new for key in named], bool)
        same = stored.filter(pa.array(anew)).to_pylist()
        before = {(row["explainer"], row["feature"]): row for row in same}
        check(before)
        found = {key: said_again(row, before.get(key)) for key, row in new.items()}
        changed = {key for key, row in found.items() if not _is_stored(row, before.get(key))}
        left = whole & ~anew
        goes = np.array([key in changed for key in named], bool) | left
        if not changed and not left.any():
            return None
        come = [dated(row) for key, row in found.items() if key in changed]
        table = pa.Table.from_pylist(come, LABELS_COLUMNS)
        return LabelEdit(goes=goes, rows=table)

    features = None if whole else sorted({feature for _, feature in new})
    commit_labels(lake, dictionary, decide, explainers=explainers, features=features)


def delete_labels(
    lake: Lake, dictionary: str, *, explainer: str, features: Sequence[int] | None = None
) -> int:
    """Take back an explainer's labels of these features, or all (None); how many there were.

    Again it takes back nothing. Raises `NotFound`.
    """
    poles = RegisteredDictionary.open(lake, dictionary).poles
    chosen = None if features is None else [pole_of(f, poles, dictionary) for f in features]
    n_deleted = 0

    def decide(stored: pa.Table) -> LabelEdit | None:
        nonlocal n_deleted
        n_deleted = stored.num_rows
        goes = np.ones(n_deleted, bool)
        return LabelEdit(goes=goes, rows=LABELS_COLUMNS.empty_table()) if n_deleted else None

    commit_labels(lake, dictionary, decide, explainers=[explainer], features=chosen)
    return n_deleted


def pole_of(number: int, poles: Poles, dictionary: str, what: str = "This labels") -> int:
    """The pole that a label is of: of a plain number the positive, which explainers look at.

    Raises `InvalidInput` for a feature that the dictionary does not have.
    """
    try:
        return poles.of(number, dictionary)[0]
    except NotFound as error:
        raise InvalidInput(
            f"{what} feature {said(number)}, but {error.message} These labels are of another "
            "dictionary.",
            feature=number,
        ) from error


def _several(labels: Mapping[int, str] | Sequence[NewLabel]) -> Iterable[NewLabel]:
    if isinstance(labels, Mapping):
        return [NewLabel(feature=number, label=label) for number, label in labels.items()]
    return labels


def _is_stored(row: Row, stored: Row | None) -> bool:
    """Whether the label is stored as it is; a vector is compared where it brings one."""
    if stored is None or row.get("embedding") is not None:
        return False
    return all(row[name] == value for name, value in stored.items())


def _check_expected(new: Mapping[Key, Row], before: Mapping[Key, Row], expect: str) -> None:
    for key, row in new.items():
        found = before[key]["label"] if key in before else ""
        if found not in (expect, row["label"]):
            raise Conflict(
                f"Nothing was written: the label of feature {row['feature']} is {found!r} now, and "
                f"not {expect!r}. Look at it, and write again.",
                feature=row["feature"],
            )


def _check_there(new: Mapping[Key, Row], before: Mapping[Key, Row]) -> None:
    for key, row in new.items():
        if key not in before or before[key]["label"] != row["label"]:
            raise Conflict(
                f"Nothing was written: {key[0]!r} does not call feature {row['feature']} "
                f"{row['label']!r} any more, so a score of that is not its. Score it anew.",
                feature=row["feature"],
            )
