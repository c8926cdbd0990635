"""Maps are whole or not there, equal for equal seeds, and say what they are of."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.growth import maps
from saelake.store.growth.delete import delete_documents
from saelake.store.growth.drop import drop_target
from saelake.store.growth.layouts import LEAST
from saelake.store.growth.maps import MapLayout, make_map
from saelake.store.index.maps import MapTable
from saelake.store.index.vectors import write_vectors
from saelake.store.lake.lake import CollectionName
from saelake.store.query.parts import points
from saelake.store.requests.map import MapQuery
from saelake.store.snapshot.session import Session
from tests.lakes import MadeLake, add_documents, make_lake

NAME = "made/random"


def made_lake(folder: Path, n: int = 90) -> MadeLake:
    return make_lake(folder / "lake", n_documents=n, n_features=30, density=0.08)


def of_documents(made: MadeLake) -> MapTable:
    found = Session(made.lake).collection(NAME).map("documents")
    assert found is not None
    return found


def firing(made: MadeLake) -> list[int]:
    return sorted({code.doc for code in made.codes})


def test_every_document_in_which_something_fires_is_on_it_once(tmp_path: Path) -> None:
    made = made_lake(tmp_path)
    told: list[tuple[int, int]] = []
    report = make_map(Session(made.lake), NAME, on_progress=lambda *now: told.append(now))
    found = of_documents(made)
    assert found.row.tolist() == firing(made)
    assert report.n == report.n_fitted == len(found) == found.made.n
    assert told[-1] == (report.n, report.n)
    assert max(np.abs(found.x).max(), np.abs(found.y).max()) == pytest.approx(1)
    assert found.made.n_silent == len(made.texts) - len(found)
    assert set(found.cluster.tolist()) <= set(range(report.n_clusters))


def test_equal_seeds_make_equal_maps(tmp_path: Path) -> None:
    made = made_lake(tmp_path)
    places = []
    for seed in (3, 3, 4):
        make_map(Session(made.lake), NAME, seed=seed)
        found = of_documents(made)
        places.append(np.stack([found.x, found.y]))
    assert np.array_equal(places[0], places[1])
    assert not np.array_equal(places[0], places[2])


def test_fewer_documents_are_laid_out_by_their_principal_components(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=20, n_features=30, density=0.2)
    make_map(Session(made.lake), NAME)
    assert len(firing(made)) < LEAST
    assert of_documents(made).made.method == "principal components"


def test_the_others_are_placed_among_those_of_the_sample_most_like_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = made_lake(tmp_path, n=120)
    monkeypatch.setattr(points, "SAMPLE_DOCUMENTS", 70)
    layouts: list[MapLayout] = []
    placed: list[tuple[Any, Any]] = []
    place = MapLayout.place

    def watching(self: MapLayout, rows: Any, given: Any) -> Any:
        layouts.append(self)
        placed.append((rows, given))
        return place(self, rows, given)

    monkeypatch.setattr(MapLayout, "place", watching)
    report = make_map(Session(made.lake), NAME)
    assert (report.n, report.n_fitted) == (len(firing(made)), 70)
    found, layout = of_documents(made), layouts[0]
    sample = layout.index.vectors
    for rows, given in placed:
        for row, point in zip(rows.tolist(), given, strict=True):
            at = found.row.tolist().index(row)
            if row in layout.rows:
                expected = layout.xy[layout.rows.tolist().index(row)]
            else:
                products = sample @ point
                near = np.argsort(-products, kind="stable")[: maps.N_NEAR]
                weight = np.maximum(products[near], 1e-6)
                expected = (layout.xy[near] * weight[:, None]).sum(axis=0) / weight.sum()
            assert [found.x[at], found.y[at]] == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_map_that_is_interrupted_leaves_the_former_one(tmp_path: Path) -> None:
    made = made_lake(tmp_path)

    def interrupted(*_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_map(Session(made.lake), NAME, on_progress=interrupted)
    assert Session(made.lake).collection(NAME).map("documents") is None
    make_map(Session(made.lake), NAME)
    before = of_documents(made)
    with pytest.raises(KeyboardInterrupt):
        make_map(Session(made.lake), NAME, seed=1, on_progress=interrupted)
    assert of_documents(made).made == before.made


KILLED = """
import os, signal, sys
from saelake.store.growth.maps import make_map
from saelake.store.lake.lake import Lake
from saelake.store.snapshot.session import Session
kill = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
make_map(Session(Lake(sys.argv[1])), "made/random", seed=1, on_progress=kill)
"""


def test_a_map_whose_maker_is_killed_is_the_former_one(tmp_path: Path) -> None:
    made = made_lake(tmp_path)
    make_map(Session(made.lake), NAME)
    before, files = of_documents(made), made.lake.tables()
    ended = subprocess.run([sys.executable, "-c", KILLED, made.lake.uri], check=False, timeout=120)
    assert ended.returncode == -signal.SIGKILL
    assert of_documents(made).made == before.made
    assert made.lake.tables() == files
    make_map(Session(made.lake), NAME, seed=1)
    assert of_documents(made).made.seed == 1


def test_a_map_of_features_has_those_that_fire(tmp_path: Path) -> None:
    made = made_lake(tmp_path)
    with pytest.raises(NotFound, match="no decoder directions of 'random'"):
        make_map(Session(made.lake), NAME, "features")
    directions = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    rows = np.arange(30, dtype=np.uint64)
    write_vectors(made.lake.decoder("random"), 8, "f", [(rows, directions)])
    make_map(Session(made.lake), NAME, "features")
    found = Session(made.lake).collection(NAME).map("features")
    assert found is not None
    asked = Engine(made.lake.uri).ask(MapQuery(collection=NAME, of="features")).read_all()
    indexed = {code.feature for code in made.codes} - set(found.row.tolist())
    assert asked["row"].to_pylist() == found.row.tolist()
    assert not indexed, "the statistics are of what is indexed"


def test_a_grown_lake_says_what_is_not_on_its_map(tmp_path: Path) -> None:
    made = made_lake(tmp_path)
    make_map(Session(made.lake), NAME)
    n = of_documents(made).made.n
    grown = add_documents(made, 7)
    told = Engine(grown.lake.uri).ask(MapQuery(collection=NAME)).schema.metadata
    assert (told[b"n"], told[b"n_since"]) == (str(n).encode(), b"7")
    assert b"7 documents have come since the map was made" in told[b"notes"]
    make_map(Session(made.lake), NAME)
    told = Engine(grown.lake.uri).ask(MapQuery(collection=NAME)).schema.metadata
    assert told[b"n_since"] == b"0"


def test_what_is_deleted_is_on_no_map(tmp_path: Path) -> None:
    made = made_lake(tmp_path)
    make_map(Session(made.lake), NAME)
    gone = firing(made)[5]
    delete_documents(made.lake, "made", ids=[f"d{gone}"])
    engine = Engine(made.lake.uri)
    shown = engine.ask(MapQuery(collection=NAME)).read_all()["row"].to_pylist()
    assert shown == [doc for doc in firing(made) if doc != gone]
    make_map(Session(made.lake), NAME)
    assert of_documents(made).row.tolist() == shown


def test_a_map_goes_with_its_collection(tmp_path: Path) -> None:
    made = made_lake(tmp_path)
    make_map(Session(made.lake), NAME)
    name = CollectionName.parse(NAME)
    tables = made.lake.tables()
    assert any(table.endswith(".map-documents") for table in tables)
    drop_target(made.lake, str(name))
    assert not any(".map-" in table for table in made.lake.tables())


@pytest.mark.parametrize(
    ("asked", "said"), [({"seed": -1}, "The seed"), ({"of": "tokens"}, "of 'tokens'|not of")]
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, asked: Any, said: str) -> None:
    made = make_lake(tmp_path / "lake")
    with pytest.raises(InvalidInput, match=said):
        make_map(Session(made.lake), NAME, **asked)


def test_three_documents_are_too_few(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=3, n_fragments=1, n_indexed=1, tokens=(3, 4))
    with pytest.raises(InvalidInput, match="4 are the least"):
        make_map(Session(made.lake), NAME)
