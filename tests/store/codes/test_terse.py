"""Rows of codes are stored tersely, and read as they were packed."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.codes import terse as terse_rows
from saelake.store.codes.poles import BY_POLE
from saelake.store.codes.terse import is_terse, terse, terse_columns, whole, whole_columns
from saelake.store.errors import Corrupt
from saelake.store.format.lists import Lists
from saelake.store.format.schema import (
    BELOW,
    FEATURE_GAPS,
    MEANING_KEY,
    CollectionSettings,
    codes_schema,
    terse_schema,
)
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table
from saelake.workers.encoder.pack import PageCodes, Part, pack
from tests.lakes import make_lake
from tests.lakes import settings as collection_settings

N_TOKENS, N_ROWS = 7, 4
WIDE = (0, 1, 5, 70_000, (1 << 24) - 1)  # features, to the widest that a row can have

Found = dict[tuple[int, int, int], float]
some_codes = st.dictionaries(
    st.tuples(st.integers(0, N_ROWS - 1), st.integers(0, N_TOKENS - 1), st.sampled_from(WIDE)),
    st.sampled_from([2.0**-40, 0.25, 0.5, 0.5, 1.5, 3e4, 2.0**19]),
    max_size=60,
)
kinds = st.sampled_from(["16-bit", "8-bit"])
in_both_ways = pytest.mark.parametrize("compiled", [False, True])


def chosen(values: str = "16-bit") -> CollectionSettings:
    return collection_settings(n_features=1 << 24, values=values)


def packed(found: Found, values: str = "16-bit") -> pa.RecordBatch:
    """Rows as they are packed, of (row, position, feature) and value; the last row has failed."""
    columns = list(zip(*found, strict=True)) or [(), (), ()]
    row, position, feature = (np.array(column, np.int32) for column in columns)
    parts = [
        Part(
            doc=doc,
            token_ids=np.full(N_TOKENS, doc, np.int32),
            starts=np.zeros(N_TOKENS, np.uint32),
            lengths=np.zeros(N_TOKENS, np.uint16),
            error="no codes" if doc == N_ROWS else None,
        )
        for doc in range(N_ROWS + 1)
    ]
    page = PageCodes(row, position, feature, np.array(list(found.values()), np.float32))
    mine = chosen(values)
    return pack(parts, page, schema=codes_schema(mine), codec=mine.codec)


def said_by_hand(found: Found, values: str) -> dict[str, list[list[int]]]:
    """What the lists of terse rows mean, from the definition."""
    codec = chosen(values).codec
    said: dict[str, list[list[int]]] = {name: [] for name in (FEATURE_GAPS, "positions", BELOW)}
    for row in range(N_ROWS + 1):
        mine = sorted((f, p, v) for (r, p, f), v in found.items() if r == row)
        features = sorted({f for f, _, _ in mine})
        positions: list[int] = []
        below: list[int] = []
        for feature in features:
            firing = [(p, np.array([v], np.float32)) for f, p, v in mine if f == feature]
            tokens = [(p, int(codec.encode(value)[0])) for p, value in firing]
            best = max(tokens, key=lambda token: (token[1], -token[0]))
            others = [token for token in tokens if token != best]
            positions += [best[0], *(p for p, _ in others)]
            below += [best[1] - v for _, v in others]
        said[FEATURE_GAPS].append(np.diff(features, prepend=0).tolist())
        said["positions"].append(positions)
        said[BELOW].append(below)
    return said


@settings(max_examples=150, deadline=None)
@given(found=some_codes, values=kinds)
def test_terse_rows_say_what_their_columns_mean(found: Found, values: str) -> None:
    rows, schema = packed(found, values), terse_schema(chosen(values))
    stored = terse(rows, schema)
    assert stored.schema.equals(schema, check_metadata=True)
    for name, lists in said_by_hand(found, values).items():
        assert stored[name].to_pylist() == lists
    for name in set(schema.names) - {FEATURE_GAPS, "positions", BELOW}:
        assert stored[name].equals(rows[name])


@in_both_ways
@settings(max_examples=150, deadline=None)
@given(found=some_codes, values=kinds, first=st.integers(0, N_ROWS))
def test_whole_again_they_are_as_they_were_packed(
    found: Found, values: str, first: int, compiled: bool
) -> None:
    """By NumPy and by compiled loops, and where rows are a part of a batch."""
    rows = packed(found, values)
    stored = terse(rows, terse_schema(chosen(values)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(terse_rows, "_is_compiled", lambda _: compiled)
        read = whole(stored.slice(first, 3), rows.schema.names)
        table = whole(pa.Table.from_batches([stored.slice(0, 2), stored.slice(2)]), BY_POLE)
    assert read.to_pylist() == rows.slice(first, 3).to_pylist()
    assert table.to_pylist() == rows.select(list(BY_POLE)).to_pylist()
    for name in rows.schema.names:
        assert read.schema.field(name).type.equals(rows.schema.field(name).type)
    assert whole_columns(stored.schema) == rows.schema.names


@pytest.mark.parametrize(
    "columns", [("features",), ("features", "max"), ("doc", "values", "counts"), ("positions",)]
)
def test_some_columns_are_those_of_all(columns: tuple[str, ...]) -> None:
    rows = packed(
        {
            (
                0,
                1,
                5,
            ): 1.0,
            (0, 4, 5): 2.0,
            (0, 6, 5): 0.5,
            (2, 0, 0): 1.5,
        }
    )
    stored = terse(rows, terse_schema(chosen()))
    some = whole(stored.select(terse_columns(columns)), columns)
    assert some.schema.names == list(columns)
    assert some.to_pylist() == rows.select(list(columns)).to_pylist()


def test_what_features_and_maxima_need_is_not_more() -> None:
    """Every analysis reads these."""
    assert terse_columns(("doc", "error", "features", "max")) == [
        "doc",
        "error",
        FEATURE_GAPS,
        "max",
    ]
    assert terse_columns(("doc", "token_ids")) == ["doc", "token_ids"]


@in_both_ways
@pytest.mark.parametrize(
    "damage",
    [
        {"counts": [3, 2]},
        {"counts": [0, 4]},
        {"counts": [65_535, 1]},
        {"positions": [4, 1, 6]},
        {"below": [1]},
        {"below": [1, 2, 3]},
        {"below": []},
    ],
)
def test_lists_that_do_not_fit_are_an_error(
    damage: dict[str, list[int]], compiled: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = {(0, 4, 0): 2.0, (0, 1, 0): 1.0, (0, 6, 0): 0.5, (0, 2, 5): 1.0}
    row = terse(packed(found), terse_schema(chosen())).slice(0, 1)
    columns = {name: row[name] for name in row.schema.names}
    for name, values in damage.items():
        columns[name] = pa.array([values], row.schema.field(name).type)
    monkeypatch.setattr(terse_rows, "_is_compiled", lambda _: compiled)
    assert whole(row, ("values",))["values"].to_pylist() == packed(found)["values"].to_pylist()[:1]
    with pytest.raises(ValueError, match="counts are not those of positions"):
        whole(pa.RecordBatch.from_pydict(columns), ("values",))


def test_a_reader_of_damaged_codes_is_told_what_to_do(tmp_path: Path) -> None:
    made = make_lake(tmp_path, tokens=(4, 12), n_fragments=1, n_indexed=0)
    table = Table.open(made.lake.codes(made.name))
    rows = table.read().to_pylist()
    rows[7]["counts"] = [n + 1 for n in rows[7]["counts"]]
    draft = table.write(pa.Table.from_pylist(rows, table.schema).to_batches())
    table.commit(lambda _: Change(add=draft, remove=(table.fragments[0].id,)))
    codes = Collection(made.lake, made.name).codes
    assert codes.take(np.array([7], np.uint64), ["counts"])[1].num_rows == 1
    said = "Codes of made/random are damaged: run `saelake verify made/random --repair`"
    with pytest.raises(Corrupt, match=said):
        list(codes.scan(["values"]))
    with pytest.raises(Corrupt, match=said):
        codes.take(np.array([7], np.uint64), ["positions"])


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("values", ["16-bit", "8-bit"])
def test_a_collection_reads_both_forms_alike(tmp_path: Path, signed: bool, values: str) -> None:
    """The same codes, stored in both forms: every column of every reading is the same."""
    before, now = (
        make_lake(
            tmp_path / str(form),
            signed=signed,
            values=values,
            seed=3,
            failed={(2, 0)},
            is_terse=form,
        )
        for form in (False, True)
    )
    assert before.codes == now.codes
    one, other = (Collection(made.lake, made.name).codes for made in (before, now))
    assert (one.is_terse, other.is_terse) == (False, True)
    names = one.table.schema.names
    docs = np.array([5, 2, 9, 9, 30], np.uint64)
    for (i, mine), (j, theirs) in zip(one.rows(docs), other.rows(docs), strict=True):
        assert i == j
        for name in BY_POLE:
            np.testing.assert_array_equal(getattr(mine, name), getattr(theirs, name))
    assert one.take(docs, names)[1].to_pylist() == other.take(docs, names)[1].to_pylist()
    scans = (list(each.scan(names, batch_rows=9)) for each in (one, other))
    for mine_, theirs_ in zip(*scans, strict=True):
        assert mine_.to_pylist() == theirs_.to_pylist()
    found, expected = other.occurrences(docs, range(12)), one.occurrences(docs, range(12))
    for feature in range(12):
        for name in ("index", "position", "value"):
            mine__, theirs__ = (getattr(each[feature], name) for each in (found, expected))
            np.testing.assert_array_equal(mine__, theirs__)


def test_what_columns_mean_is_said_in_the_table(tmp_path: Path) -> None:
    """And who knows rows as they were before finds no columns to misread."""
    made = make_lake(tmp_path)
    schema = Table.open(made.lake.codes(made.name)).schema
    assert is_terse(schema)
    assert not {"features", "values"} & set(schema.names)
    for name in (FEATURE_GAPS, "max", "counts", "positions", BELOW):
        assert schema.field(name).metadata[MEANING_KEY.encode()]


def test_values_with_signs_are_stored_as_they_are_read() -> None:
    before = collection_settings(n_features=5, signed=True, by_pole=False)
    assert terse_schema(before).equals(codes_schema(before), check_metadata=True)
    assert is_terse(terse_schema(collection_settings(n_features=5, signed=True)))


def test_terse_rows_have_a_maximum_once() -> None:
    """What that saves of real columns is in docs/decisions/033-bytes.md."""
    random = np.random.default_rng(0)
    found = {
        (int(row), int(p), WIDE[f]): float(v)
        for row, p, f, v in zip(
            random.integers(0, N_ROWS, 90),
            random.integers(0, N_TOKENS, 90),
            random.integers(0, len(WIDE), 90),
            random.exponential(1, 90),
            strict=True,
        )
    }
    rows = packed(found)
    stored = terse(rows, terse_schema(chosen()))
    n_features, n_codes = (len(Lists.of(rows[name]).values) for name in ("features", "values"))
    assert len(Lists.of(stored[BELOW]).values) == n_codes - n_features
