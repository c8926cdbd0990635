"""`places` equals brute force over every code, in lakes of every kind."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saelake
from saelake.store.engine import Engine
from saelake.store.errors import InvalidFilter, InvalidInput, NotFound
from saelake.store.index import tiers
from saelake.store.query import places as answering
from saelake.store.query.parts import best_tokens
from saelake.store.requests.places import PlacesQuery
from saelake.store.requests.tokens import Order
from tests.indexed import best
from tests.kinds import KINDS, as_made, lake_of_kind
from tests.lakes import MadeLake

Place = tuple[int, int, int, float, str]


@pytest.fixture(scope="module", params=KINDS)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return lake_of_kind(request.param, tmp_path_factory.mktemp("lake"))


@pytest.fixture(autouse=True)
def _as_made(request: pytest.FixtureRequest) -> Iterator[None]:
    with as_made(request, "made"):
        yield


@pytest.fixture(autouse=True)
def _few_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best_tokens, "FEATURES_AT_ONCE", 3)
    monkeypatch.setattr(answering, "ROWS_PER_BATCH", 7)


def brute_force(made: MadeLake, pole: int, k: int, order: Order, label: str | None) -> list[Place]:
    """(feature by pole, doc, position, strength, token) of the places of a pole."""
    found = [
        (pole, doc, position, value, made.words[doc][position])
        for (feature, doc), (value, position) in best(list(made.codes)).items()
        if feature == pole and label in (None, made.labels[doc])
    ]
    found.sort(key=lambda place: (-place[3], place[1]))
    if order == "quantiles":
        ranks = np.round(np.linspace(0, len(found) - 1, min(k, len(found)))).astype(int)
        return [found[rank] for rank in ranks]
    return found[:k]


def check(made: MadeLake, engine: Engine, n_examples: int) -> None:
    @settings(max_examples=n_examples)
    @given(
        st.lists(st.integers(0, made.n_features - 1), min_size=1, max_size=8),
        st.integers(1, 8) | st.just(1000),
        st.sampled_from(["top", "quantiles"]),
        st.sampled_from([None, "pos"]),
    )
    def equal(poles: list[int], k: int, order: Order, label: str | None) -> None:
        query = PlacesQuery(
            collection=str(made.name),
            features=tuple(map(made.named, poles)),
            k=k,
            order=order,
            where=label and f"label = '{label}'",
        )
        rows = made.unsigned(engine.ask(query).read_all().to_pylist())
        names = ("feature", "doc", "position", "value", "token")
        expected = [
            place
            for pole in dict.fromkeys(poles)
            for place in brute_force(made, pole, k, order, label)
        ]
        assert [tuple(row[name] for name in names) for row in rows] == expected
        assert all(row["id"] == f"d{row['doc']}" for row in rows)

    equal()


def test_places_equal_brute_force(made: MadeLake) -> None:
    check(made, Engine(made.lake.uri), 50)


def test_places_equal_brute_force_where_tiers_lie_in_files(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiers, "READ_WHOLE", 0)
    engine = Engine(made.lake.uri)
    kept = engine._session.collection(str(made.name))._tiers
    assert kept is not None
    kept._locate()
    kept._read_first()
    check(made, engine, 20)


def test_a_feature_of_a_signed_dictionary_is_both_poles(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    made = lake_of_kind("signed", tmp_path_factory.mktemp("lake"))
    collection = saelake.connect(made.lake.uri)[str(made.name)]
    both = collection.places([3, "-0"], k=2)
    assert [place.name for place in both] == ["+3", "+3", "-3", "-3", "-0", "-0"]
    assert all((place.value < 0) == (place.pole == "-") for place in both)
    assert list(collection.places(["+3", "-3", "-0"], k=2)) == list(both)


def test_what_has_no_places_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = lake_of_kind("16-bit", tmp_path_factory.mktemp("lake"))
    collection = saelake.connect(made.lake.uri)[str(made.name)]
    with pytest.raises(InvalidInput, match="1 to 1,024"):
        collection.places([])
    with pytest.raises(InvalidInput, match="k must be"):
        collection.places([1], k=0)
    with pytest.raises(NotFound, match="no feature 99"):
        collection.places([1, 99])
    with pytest.raises(InvalidFilter):
        collection.places([1], where="nothing = 3")
