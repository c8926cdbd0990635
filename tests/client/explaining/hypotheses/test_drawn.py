"""Which documents are shown and which judge: the same that a diff holds back."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from saelake.collection import Collection
from saelake.explaining.hypotheses.drawn import DrawnDocuments, drawn
from saelake.explaining.hypotheses.options import HypothesisOptions
from saelake.store.errors import InvalidInput
from saelake.store.lake.lake import Lake
from saelake.store.query.parts.halves import halves
from saelake.store.requests.checks import Selection
from saelake.store.snapshot.session import Session
from tests.client.explaining.hypotheses.made import FEWER, make_texts, sides
from tests.lakes import MADE

ALL = replace(FEWER, n_pool=1000, n_judged=1000)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drawn") / "lake"


@pytest.fixture(scope="module")
def collection(folder: Path) -> Collection:
    return make_texts(folder)


def held_by_diff(folder: Path, column: str | None) -> dict[str, set[int]]:
    """The documents of each side that a diff holds back."""
    session = Session(Lake(str(folder)))
    chosen = [
        session.select(Selection(collection=str(MADE), where=f"label = '{label}'"))
        for label in ("pos", "neg")
    ]
    _, held = halves(chosen, column, FEWER.held_back)
    masks = [side.mask for side in held]
    return {
        name: set(np.flatnonzero(mask).tolist())
        for name, mask in zip("AB", masks, strict=True)
        if mask is not None
    }


def docs(found: DrawnDocuments, side: str, name: str) -> set[int]:
    return {drawn.doc for drawn in getattr(found, name) if drawn.side == side}


def test_all_documents_are_split_as_a_diff_splits_them(
    folder: Path, collection: Collection
) -> None:
    found, held = drawn(*sides(collection), ALL), held_by_diff(folder, None)
    for side, first in (("A", 0), ("B", 1)):
        assert docs(found, side, "judged") == held[side]
        assert docs(found, side, "shown") == set(range(first, 400, 2)) - held[side]


@pytest.mark.parametrize("column", ["author", "prompt"])
def test_documents_of_one_value_are_split_as_a_diff_splits_them(
    folder: Path, collection: Collection, column: str
) -> None:
    options = replace(ALL, cluster_by=column) if column == "author" else replace(ALL, align=column)
    found, held = drawn(*sides(collection), options), held_by_diff(folder, column)
    for side in "AB":
        judged = docs(found, side, "judged")
        assert judged
        assert judged <= held[side]
        assert not docs(found, side, "shown") & held[side]


def test_of_each_value_one_document_is_drawn(collection: Collection) -> None:
    found = drawn(*sides(collection), replace(ALL, cluster_by="author"))
    units = [each.unit for each in (*found.shown, *found.judged)]
    assert len(units) == len(set(units)) == 60


def test_pairs_have_one_document_of_each_side(collection: Collection) -> None:
    found = drawn(*sides(collection), replace(ALL, align="prompt"))
    for part in (found.shown, found.judged):
        by_side = {side: {d.unit: d.doc for d in part if d.side == side} for side in ("A", "B")}
        assert by_side["A"].keys() == by_side["B"].keys()
        assert all(by_side["A"][unit] + 1 == doc for unit, doc in by_side["B"].items())
    assert len(found.shown) + len(found.judged) == 400


def test_documents_on_both_sides_are_left_out(collection: Collection) -> None:
    found = drawn(collection.where("prompt < 150"), collection.where("prompt >= 100"), ALL)
    assert found.n_on_both == 100
    seen = [each.doc for each in (*found.shown, *found.judged)]
    assert sorted(seen) == [*range(200), *range(300, 400)]


def test_mistakes_are_told(collection: Collection) -> None:
    with pytest.raises(InvalidInput, match=r"on it alone|No document"):
        drawn(collection, collection, FEWER)
    with pytest.raises(InvalidInput, match="no column"):
        drawn(*sides(collection), replace(FEWER, cluster_by="nobody"))
    with pytest.raises(InvalidInput, match=r"n_judged.*held_back.*correction.*cluster_by"):
        HypothesisOptions(
            n_judged=0,
            held_back=1.0,
            correction="none",  # type: ignore[arg-type]
            align="a",
            cluster_by="b",
        )
