"""A column is named in every argument as in a filter, and is the same column."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import saelake
from saelake.store.documents.columns import column_of, read_columns
from saelake.store.documents.documents import Documents
from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Selection
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.diff import DiffQuery
from tests.lakes import MadeLake, make_lake

N = 40
KINDS: list[Any] = [
    None if i % 11 == 10 else {"kind": "ab"[i % 2], "Deep Name": {"year": i % 4}} for i in range(N)
]
COLUMNS = {
    "Stars": pa.array([i % 5 for i in range(N)]),
    "Two Words": pa.array([i % 3 for i in range(N)]),
    "in": pa.array([i % 7 for i in range(N)]),
    "size": pa.array(list(range(N))),
    "SIZE": pa.array([-i for i in range(N)]),
    "meta": pa.array(KINDS),
    "plain_kind": pa.array([None if k is None else k["kind"] for k in KINDS]),
    "plain_year": pa.array([None if k is None else k["Deep Name"]["year"] for k in KINDS]),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("lake"), n_documents=N, columns=COLUMNS)


@pytest.fixture(scope="module")
def documents(made: MadeLake) -> Documents:
    return Documents.open(made.lake, "made")


@pytest.mark.parametrize(
    ("said", "path"),
    [
        ("Stars", ("Stars",)),
        ("stars", ("Stars",)),
        ('"Stars"', ("Stars",)),
        ("Two Words", ("Two Words",)),
        ('"Two Words"', ("Two Words",)),
        ("in", ("in",)),
        ("size", ("size",)),
        ("SIZE", ("SIZE",)),
        ("meta.kind", ("meta", "kind")),
        ("META.Kind", ("meta", "kind")),
        ("meta['kind']", ("meta", "kind")),
        ('meta."Deep Name".year', ("meta", "Deep Name", "year")),
    ],
)
def test_a_name_is_found_as_in_a_filter(
    documents: Documents, said: str, path: tuple[str, ...]
) -> None:
    assert column_of(documents, said) == path
    values = []
    for row in documents.table.read(["doc", path[0]]).to_pylist():
        value: Any = row
        for name in path:
            value = None if value is None else value[name]
        values.append(value)
    found = read_columns(documents, [said])
    assert found.column_names == ["doc", said]
    assert found[said].to_pylist() == values
    if said not in ("Two Words", "in"):  # which filters need in quotes
        mask = documents.filters.mask(f"{said} IS NOT NULL")
        assert mask is not None
        assert mask.tolist() == [value is not None for value in values]


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("star", "made has no metadata column 'star'. Did you mean 'Stars'?"),
        ('"stars"', "Did you mean 'Stars'?"),
        ("Size", 'Size may be "size" or "SIZE": write the one that is meant'),
        ("meta.kid", "Did you mean 'meta.kind'?"),
        ("meta.x9", "meta has the fields "),
        ("Stars.x", "Stars has no fields"),
        ("colour", "It has label"),
        ("Two Word", "Did you mean 'Two Words'?"),
        ("1 + 1", "no metadata column '1 + 1'"),
        ("doc", "no metadata column 'doc'"),
        ("", "no metadata column ''"),
    ],
)
def test_what_is_not_there_says_what_is(documents: Documents, said: str, message: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        column_of(documents, said)
    assert message in caught.value.message


A = Selection(collection="made/random", where="doc < 25")
EVERY: dict[str, Any] = {"min_npmi": -1, "min_documents": 1, "max_coverage": 1}
B = Selection(collection="made/random", where="doc >= 15")


def queries(column: str) -> dict[str, Any]:
    return {
        "associate": AssociateQuery(
            collection="made/random", columns=(column,), k=None, min_documents=2
        ),
        "control": AssociateQuery(
            collection="made/random", columns=("size",), control=(column,), k=None, min_documents=2
        ),
        "cluster_by": AssociateQuery(
            collection="made/random", columns=("size",), cluster_by=column, k=None, min_documents=2
        ),
        "diff by": DiffQuery(a=A, others=(B,), cluster_by=column, k=None),
        "diff control": DiffQuery(a=A, others=(B,), control=(column,), k=None),
        "correlate control": CorrelateQuery(a=A, control=(column,), **EVERY),
    }


@pytest.mark.parametrize("question", list(queries("x")))
@pytest.mark.parametrize(
    ("said", "plain"), [("meta.KIND", "plain_kind"), ("PLAIN_year", "plain_year")]
)
def test_every_argument_takes_a_name_as_filters_do(
    made: MadeLake, question: str, said: str, plain: str
) -> None:
    engine = Engine(made.lake.uri)
    found = engine.ask(queries(said)[question]).read_all()
    expected = engine.ask(queries(plain)[question]).read_all()
    assert found.num_rows
    assert found.to_pylist() == expected.to_pylist()


def test_documents_are_aligned_by_a_field(made: MadeLake) -> None:
    engine = Engine(made.lake.uri)

    def rows(align: str) -> list[dict[str, Any]]:
        pairs = CorrelateQuery(a=A, b=B, align=align, **EVERY)
        sides = DiffQuery(a=A, others=(B,), align=align, k=None)
        return [row for q in (pairs, sides) for row in engine.ask(q).read_all().to_pylist()]

    found = rows('Meta."Deep Name".Year')
    assert found
    assert found == rows("plain_year")


def test_a_column_is_not_controlled_for_by_itself_in_other_letters(made: MadeLake) -> None:
    lake = saelake.connect(made.lake.uri)
    several: list[dict[str, Any]] = [{"control": "stars"}, {"cluster_by": '"Stars"'}]
    for more in several:
        with pytest.raises(InvalidInput, match="is the column itself"):
            lake["made/random"].associate("STARS", **more)


def test_a_lake_without_such_columns_is_as_it_was(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=10)
    assert column_of(Documents.open(made.lake, "made"), "LABEL") == ("label",)
