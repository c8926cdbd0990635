"""Labels that somebody writes, one by one: each commit keeps what others wrote meanwhile."""

from collections.abc import Callable, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.errors import Conflict, InvalidInput, NotFound
from saelake.store.format.poles import Poles, said
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.labels.labels import LabelsTable
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.lake.lake import Lake
from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.tables import Table, overwrite

Edit = Callable[[pa.Table], pa.Table]  # from the labels that there are to those that there will be


def set_labels(
    lake: Lake,
    dictionary: str,
    labels: Mapping[int, str],
    *,
    explainer: str,
    expect: str | None = None,
) -> int:
    """Put an explainer's labels of some features in place of those that it had; how many.

    Features are numbered as in a question; of a signed dictionary a plain number is the positive
    pole. The same again changes nothing. With `expect` the explainer's label of each must be this
    (empty: none), else it is a `Conflict`, unless it is the new one already. Raises `NotFound`.
    """
    poles = RegisteredDictionary.open(lake, dictionary).poles
    new = {pole_of(number, poles, dictionary): label for number, label in labels.items()}
    rows = pa.Table.from_pylist(
        [{"feature": f, "label": label, "explainer": explainer} for f, label in new.items()],
        LABELS_COLUMNS,
    )

    def edit(stored: pa.Table) -> pa.Table:
        theirs = _mask(stored, explainer, list(new))
        known = stored.filter(theirs)
        before = dict(zip(known["feature"].to_pylist(), known["label"].to_pylist(), strict=True))
        if before == new:
            return stored
        if expect is not None:
            _check_expected(new, before, expect)
        return pa.concat_tables([stored.filter(pc.invert(theirs)), rows])

    _commit(lake, dictionary, edit)
    return len(new)


def delete_labels(
    lake: Lake, dictionary: str, *, explainer: str, features: Sequence[int] | None = None
) -> int:
    """Take back an explainer's labels of these features, or all (None); how many there were.

    Again it takes back nothing. Raises `NotFound`.
    """
    poles = RegisteredDictionary.open(lake, dictionary).poles
    chosen = None if features is None else [pole_of(f, poles, dictionary) for f in features]
    n_deleted = 0

    def edit(stored: pa.Table) -> pa.Table:
        nonlocal n_deleted
        kept = stored.filter(pc.invert(_mask(stored, explainer, chosen)))
        n_deleted = stored.num_rows - kept.num_rows
        return kept

    _commit(lake, dictionary, edit)
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


def _mask(rows: pa.Table, explainer: str, features: Sequence[int] | None) -> pa.ChunkedArray:
    """Which labels are the explainer's, and of these features."""
    theirs = pc.equal(rows["explainer"], explainer)
    if features is None:
        return theirs
    of_these = pc.is_in(rows["feature"], pa.array(features, rows.schema.field("feature").type))
    return pc.and_(theirs, of_these)


def _check_expected(new: Mapping[int, str], before: Mapping[int, str], expect: str) -> None:
    for feature in new:
        found = before.get(feature, "")
        if found not in (expect, new[feature]):
            raise Conflict(
                f"Nothing was written: the label of feature {feature} is {found!r} now, and not "
                f"{expect!r}. Look at it, and write again.",
                feature=feature,
            )


def _commit(lake: Lake, dictionary: str, edit: Edit) -> None:
    """Edit the labels by one commit, on top of whatever the newest are."""
    uri = lake.labels(dictionary)
    table = Table.open_or_create(uri, LABELS_COLUMNS)
    if not table.schema.equals(LABELS_COLUMNS):  # of an earlier saelake
        overwrite(uri, _stored(lake, dictionary))

    def decide(snapshot: Table) -> Change | None:
        stored = _stored(lake, dictionary, snapshot)
        edited = edit(stored)
        if edited is stored or edited.equals(stored):
            return None
        rows = edited.cast(LABELS_COLUMNS).to_batches()
        add = snapshot.write(rows) if edited.num_rows else Draft(())
        return Change(add=add, remove=tuple(snapshot.fragment_ids))

    table.commit(decide)


def _stored(lake: Lake, dictionary: str, snapshot: Table | None = None) -> pa.Table:
    """All labels, of a snapshot or the newest."""
    found = (
        LabelsTable.open(lake, dictionary)
        if snapshot is None
        else LabelsTable(dictionary, None, snapshot)
    )
    return found.read(LABELS_COLUMNS.names)
