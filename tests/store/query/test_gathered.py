"""`associate` from posting lists says what it says from embeddings: each value is read once."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.codes.embeddings import Block, blocks
from saelake.store.codes.executor import Piece
from saelake.store.engine import Engine
from saelake.store.index import features, layout, merge, segments
from saelake.store.lake.lake import CollectionName
from saelake.store.query.parts import gathered
from saelake.store.requests.associate import AssociateQuery
from saelake.store.snapshot import embeddings
from saelake.store.snapshot.collection import Collection
from tests.lakes import MadeLake, make_lake
from tests.stateless import stateless
from tests.store.query.test_associate import columns

N = 60
NAME = "made/random"
ASKED: list[dict[str, Any]] = [
    {"columns": ("label",)},
    {"columns": ("stars",), "where": "label = 'pos'"},
    {"columns": ("three",), "control": ("length()",)},
    {"columns": ("label",), "confirm": True},
    {"columns": ("east", "north")},
]


@pytest.fixture(scope="module", autouse=True)
def short_tiers() -> Iterator[None]:
    """Tiers of 2 and 4 postings, and bands, so that most lists have several."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (layout, merge, features, segments):
            patch.setattr(module, "TIERS", (2, 4))
        patch.setattr(layout, "BANDS", (8, 12))
        yield


@pytest.fixture(scope="module", params=["plain", "signed"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(
        tmp_path_factory.mktemp("lake"),
        n_documents=N,
        density=0.12,
        signed=request.param == "signed",
        n_fragments=6,
        n_indexed=5,
        columns=columns(),
    )


def ask(made: MadeLake, **asked: Any) -> pa.Table:
    query = AssociateQuery(collection=NAME, k=None, min_documents=1, **asked)
    return stateless(Engine(made.lake.uri, cache_bytes=1).ask(query).read_all())


def check_same(found: pa.Table, expected: pa.Table) -> None:
    assert found.schema.metadata == expected.schema.metadata
    assert found.num_rows == expected.num_rows > 0
    for name in found.schema.names:
        mine, other = found[name], expected[name]
        if pa.types.is_floating(mine.type):
            assert mine.is_null().equals(other.is_null())
            mine, other = mine.drop_null().to_pylist(), other.drop_null().to_pylist()
            other = pytest.approx(other, rel=1e-9, abs=1e-12)
        assert mine == other, name


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_of_lists_only_what_is_not_indexed_is_read_of_embeddings(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any]
) -> None:
    expected = ask(made, **asked)
    n_values = int((np.nan_to_num(np.array(made.embeddings())) != 0).sum())
    n_read: dict[int, int] = {}

    def seen(piece: Piece, *args: Any, **options: Any) -> Iterator[Block]:
        for fragment in piece.fragments:
            n_read[fragment] = n_read.get(fragment, 0) + 1
        return blocks(piece, *args, **options)

    monkeypatch.setattr(embeddings, "blocks", seen)
    monkeypatch.setattr(gathered, "LISTED_AT_ONCE", 30)
    check_same(_passes(made, asked, monkeypatch, scanned_at_once=n_values // 3), expected)
    (unindexed,) = _unindexed(made)
    covered = {n for fragment, n in n_read.items() if fragment != unindexed}
    assert covered == {n_read[unindexed] // 2}  # to count, and not again


def _unindexed(made: MadeLake) -> tuple[int, ...]:
    return Collection(made.lake, CollectionName.parse(NAME)).unindexed


def _passes(
    made: MadeLake, asked: dict[str, Any], monkeypatch: pytest.MonkeyPatch, scanned_at_once: int
) -> pa.Table:
    monkeypatch.setattr(gathered, "SCANNED_AT_ONCE", scanned_at_once)
    return ask(made, **asked)


@settings(max_examples=15, deadline=None)
@given(at_once=st.integers(1, 500), listed=st.integers(1, 500), indexed=st.integers(0, 4))
def test_lists_and_passes_say_the_same(
    tmp_path_factory: pytest.TempPathFactory, at_once: int, listed: int, indexed: int
) -> None:
    made = make_lake(
        tmp_path_factory.mktemp("lake"),
        n_documents=30,
        density=0.1,
        n_fragments=4,
        n_indexed=indexed,
    )
    expected = ask(made, columns=("label",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathered, "LISTED_AT_ONCE", listed)
        check_same(_passes(made, {"columns": ("label",)}, patch, at_once), expected)
