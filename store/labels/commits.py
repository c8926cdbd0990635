"""Commits of labels: each keeps what others wrote meanwhile, and what was said before.

A label that is replaced by another text of the same explainer, or taken back, stays in the table
as a *former* one, with the moment `until` which it was said and without its vector. That is one
commit with what replaces it. A commit rewrites only the fragments that hold a label which goes;
where there are many small ones, it makes one of them (docs/decisions/048-label-provenance.md).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.format.lists import Array
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.labels.rows import now
from saelake.store.lake.lake import Lake
from saelake.store.tables.changes import Change, Draft
from saelake.store.tables.tables import Table

KNOWN = [n for n in LABELS_COLUMNS.names if n not in ("embedding", "until")]
LIGHT = ["feature", "explainer", "until"]
VECTOR = ["embedder", "embedding"]
SMALL, MOST_SMALL = 4096, 16  # rows of a small fragment; so many of which are left apart


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelEdit:
    """What becomes of the labels that there are: which of them go, and which rows come.

    `goes` is bool (n,). Of a row that goes and comes with the same text and no vector, its vector
    stays; of one that does not come with the same text, a former label does if it is `kept`.
    """

    goes: Array
    rows: pa.Table
    kept: bool = True


Decide = Callable[[pa.Table], LabelEdit | None]  # of labels that are said now: columns KNOWN


def commit_labels(
    lake: Lake,
    dictionary: str,
    decide: Decide,
    *,
    explainers: Sequence[str] | None = None,
    features: Sequence[int] | None = None,
) -> None:
    """Edit a dictionary's labels by one commit, on top of whatever the newest are.

    `decide` is given those of these explainers and features (None: of all); others stay.
    """

    def about(known: pa.Table) -> Array:
        mask = known["until"].is_null().to_numpy()
        for name, those in (("explainer", explainers), ("feature", features)):
            if those is not None:
                wanted = pa.array(those, known.schema.field(name).type)
                mask = mask & pc.is_in(known[name], wanted).to_numpy()
        return np.flatnonzero(mask)

    table = Table.open_or_create(lake.labels(dictionary), LABELS_COLUMNS)
    if _absent(table):
        table = table.commit(_widened)
    table.commit(lambda snapshot: _change(snapshot, decide, about))


def drop_former(lake: Lake, dictionary: str, before: pa.Scalar) -> int:
    """Forget former labels that were replaced before a time; how many."""
    table = Table.find(lake.labels(dictionary))
    if table is None or "until" not in table.schema.names:
        return 0
    n_dropped = 0

    def decide(snapshot: Table) -> Change | None:
        nonlocal n_dropped
        pieces = {f.id: _whole(snapshot, f.id) for f in snapshot.fragments}
        left = {i: p.filter(pc.invert(_is_before(p, before))) for i, p in pieces.items()}
        touched = [i for i, piece in pieces.items() if left[i].num_rows < piece.num_rows]
        n_dropped = sum(pieces[i].num_rows - left[i].num_rows for i in touched)
        if not touched:
            return None
        return _replaced(snapshot, touched, [left[i] for i in touched])

    table.commit(decide)
    return n_dropped


def _is_before(rows: pa.Table, before: pa.Scalar) -> pa.ChunkedArray:
    return pc.fill_null(pc.less(rows["until"], before), fill_value=False)


def _absent(table: Table) -> list[pa.Field]:
    """The columns that the table lacks, which an earlier saelake made."""
    present = table.schema.names
    return [field for field in LABELS_COLUMNS if field.name not in present]


def _widened(snapshot: Table) -> Change | None:
    """All columns, null in the rows that there are; None where the snapshot has them."""
    if not (absent := _absent(snapshot)):
        return None
    wider = pa.schema([*snapshot.schema, *absent])
    return Change(evolution=snapshot.evolve(wider, lambda values, _: values))


def _change(snapshot: Table, decide: Decide, about: Callable[[pa.Table], Array]) -> Change | None:
    ids = [fragment.id for fragment in snapshot.fragments]
    pieces = [_read(snapshot, i, LIGHT) for i in ids]
    known = pa.concat_tables([LABELS_COLUMNS.empty_table().select(LIGHT), *pieces])
    current = about(known)
    edit = decide(_taken(snapshot, current))
    if edit is None:
        return None
    goes = np.zeros(known.num_rows, bool)
    goes[current[edit.goes]] = True
    ends = np.cumsum([0, *(piece.num_rows for piece in pieces)])
    mine = {i: goes[ends[at] : ends[at + 1]] for at, i in enumerate(ids)}
    touched = _touched(snapshot, mine)
    wholes = {i: _whole(snapshot, i) for i in touched}
    stay = [whole.filter(pa.array(~mine[i])) for i, whole in wholes.items()]
    gone = pa.concat_tables(
        [LABELS_COLUMNS.empty_table(), *(w.filter(pa.array(mine[i])) for i, w in wholes.items())]
    )
    rows = _with_vectors(edit.rows, gone)
    former = [_former(gone, rows)] if edit.kept else []
    return _replaced(snapshot, touched, [*stay, rows, *former])


def _touched(snapshot: Table, goes: dict[int, Array]) -> list[int]:
    """The fragments that are rewritten: those with a row that goes, and small ones if many."""
    held = {i for i, mask in goes.items() if mask.any()}
    small = {f.id for f in snapshot.fragments if f.n_rows < SMALL}
    return sorted(held | small if len(small - held) >= MOST_SMALL else held)


def _replaced(snapshot: Table, touched: Sequence[int], parts: Sequence[pa.Table]) -> Change:
    """These rows in place of those fragments; former labels apart, which change no more."""
    rows = pa.concat_tables([LABELS_COLUMNS.empty_table(), *parts])
    is_former = rows["until"].is_valid()
    drafts = [_draft(snapshot, rows.filter(mask)) for mask in (pc.invert(is_former), is_former)]
    fragments = tuple(fragment for draft in drafts for fragment in draft.fragments)
    return Change(add=Draft(fragments), remove=tuple(touched))


def _draft(snapshot: Table, rows: pa.Table) -> Draft:
    ordered = rows.select(snapshot.schema.names).cast(snapshot.schema)
    return snapshot.write(ordered.to_batches()) if rows.num_rows else Draft(())


def _taken(snapshot: Table, at: Array) -> pa.Table:
    """What is known of the labels in these rows."""
    schema = pa.schema([LABELS_COLUMNS.field(name) for name in KNOWN])
    if not len(at):
        return schema.empty_table()
    return snapshot.take(at.tolist(), KNOWN).select(KNOWN).cast(schema)


def _read(snapshot: Table, fragment: int, columns: Sequence[str]) -> pa.Table:
    schema = pa.schema([LABELS_COLUMNS.field(name) for name in columns])
    return pa.Table.from_batches(snapshot.scan(columns, fragments=[fragment]), schema)


def _whole(snapshot: Table, fragment: int) -> pa.Table:
    return _read(snapshot, fragment, LABELS_COLUMNS.names)


def _keys(rows: pa.Table) -> list[tuple[int, str, str]]:
    columns = [rows[name].to_pylist() for name in ("feature", "explainer", "label")]
    return list(zip(*columns, strict=True))


def _with_vectors(rows: pa.Table, gone: pa.Table) -> pa.Table:
    """The rows that come, with the vectors of those that go with the same text."""
    before = {key: i for i, key in enumerate(_keys(gone))}
    wanting = rows["embedding"].is_null().to_pylist()
    at = [before.get(key) if w else None for key, w in zip(_keys(rows), wanting, strict=True)]
    if not any(i is not None for i in at):
        return rows
    found = gone.select(VECTOR).take(pa.array(at, pa.int64()))
    for name in VECTOR:
        both = pc.if_else(pa.array(wanting), found[name], rows[name])
        rows = rows.set_column(rows.schema.get_field_index(name), LABELS_COLUMNS.field(name), both)
    return rows


def _former(gone: pa.Table, rows: pa.Table) -> pa.Table:
    """Those that go and do not come with the same text, as they were said until now."""
    stays = set(_keys(rows))
    former = gone.filter(pa.array([key not in stays for key in _keys(gone)], pa.bool_()))
    n = former.num_rows
    nulls = {name: pa.nulls(n, LABELS_COLUMNS.field(name).type) for name in VECTOR}
    until = pa.array([now()] * n, LABELS_COLUMNS.field("until").type)
    columns = {**{name: former[name] for name in LABELS_COLUMNS.names}, **nulls, "until": until}
    return pa.table(columns, schema=LABELS_COLUMNS)
