"""Windows against documents as they were made: texts, tokens and every value."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saelake
from saelake.collection import Collection
from saelake.store.codes.table import CodesTable
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.query.parts import window_values
from tests.kinds import KINDS, as_made, lake_of_kind
from tests.lakes import MadeLake, make_lake


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "signed"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    folder = tmp_path_factory.mktemp("windows")
    return make_lake(folder, n_documents=25, tokens=(0, 40), signed=request.param)


@pytest.fixture(scope="module")
def collection(made: MadeLake) -> Collection:
    return saelake.connect(made.lake.uri)[str(made.name)]


def expected(
    made: MadeLake, pole: int, doc: int, position: int, n_tokens: int
) -> tuple[int, list[str], list[float]]:
    """The start of a window, its words and values, from what the lake was made of."""
    words = made.words[doc]
    position = min(position, len(words) - 1)
    start = max(position - (n_tokens - n_tokens // 4), 0)
    start = min(start, max(len(words) - n_tokens, 0))
    values = [0.0] * len(words)
    sign = -1 if made.signed and pole >= made.n_features // 2 else 1
    for code in made.codes:
        if code.doc == doc and code.feature == pole:
            values[code.position] = sign * code.value
    stop = start + n_tokens
    return start, list(words[start:stop]), values[start:stop]


def test_windows_are_those_of_the_documents(made: MadeLake, collection: Collection) -> None:
    place = st.tuples(st.integers(0, 24), st.integers(0, 50))

    @given(
        st.integers(0, made.n_features - 1),
        st.lists(place, min_size=1, max_size=12),
        st.sampled_from([1, 2, 4, 7, 32]),
    )
    def check(pole: int, places: list[tuple[int, int]], n_tokens: int) -> None:
        docs, positions = zip(*places, strict=True)
        name = made.poles.name(pole)
        found = collection.windows(name, docs, positions, n_tokens=n_tokens)
        assert [w.place for w in found] == [i for i, doc in enumerate(docs) if made.words[doc]]
        for window in found:
            doc, position = places[window.place]
            start, words, values = expected(made, pole, doc, position, n_tokens)
            assert (window.doc, window.id, window.start) == (doc, f"d{doc}", start)
            assert window.text == " ".join(words)
            assert [piece.strip() for piece in window.pieces] == words
            assert "".join(window.pieces) == window.text
            assert list(window.values) == values

    check()


@pytest.fixture(scope="module", params=KINDS)
def of_kind(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return lake_of_kind(request.param, tmp_path_factory.mktemp("kinds"))


@pytest.fixture(autouse=True)
def _as_made(request: pytest.FixtureRequest) -> Iterator[None]:
    with as_made(request, "of_kind"):
        yield


def test_windows_of_many_features_have_the_values_of_each(
    of_kind: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_values, "MOST_PER_READ", 5)
    collection = saelake.connect(of_kind.lake.uri)[str(of_kind.name)]
    there = np.setdiff1d(range(len(of_kind.words)), deleted(collection)).tolist()
    place = st.tuples(
        st.integers(0, of_kind.n_features - 1), st.sampled_from(there), st.integers(0, 50)
    )

    @settings(max_examples=40)
    @given(st.lists(place, min_size=2, max_size=60), st.sampled_from([1, 3, 7, 32]))
    def check(places: list[tuple[int, int, int]], n_tokens: int) -> None:
        numbers, docs, positions = zip(*places, strict=True)
        names = [of_kind.poles.name(pole) for pole in numbers]
        found = collection.windows(names, docs, positions, n_tokens=n_tokens)
        assert [w.place for w in found] == [i for i, d in enumerate(docs) if of_kind.words[d]]
        for window in found:
            start, words, values = expected(of_kind, *places[window.place], n_tokens)
            assert (window.start, [each.strip() for each in window.pieces]) == (start, words)
            assert list(window.values) == values

    check()


def deleted(collection: Collection) -> list[int]:
    """The documents that are gone."""
    engine: Any = collection.transport
    alive = engine._session.collection(collection.name).documents.alive
    return [] if alive is None else np.flatnonzero(~alive).tolist()


def test_codes_are_read_of_few_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_lake(tmp_path, n_documents=90, tokens=(1, 12), density=0.1, n_indexed=3)
    collection = saelake.connect(made.lake.uri)[str(made.name)]
    read: list[int] = []
    whole = CodesTable.occurrences

    def counted(table: CodesTable, docs: Any, features: Any) -> Any:
        read.extend(docs.tolist())
        return whole(table, docs, features)

    monkeypatch.setattr(CodesTable, "occurrences", counted)
    collection.windows(3, range(90), [0] * 90)
    fires = Counter(code.doc for code in made.codes if code.feature == 3)
    assert set(read) <= {doc for doc, n in fires.items() if n > 1}
    assert 0 < len(read) < len(fires) < 90


def test_a_window_over_parts_of_a_document_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saelake.store.format import schema

    n = schema.MAX_PART_TOKENS + 20
    made = make_lake(
        tmp_path,
        n_documents=2,
        n_features=3,
        tokens=(n, n),
        density=0.2,
        n_fragments=1,
        n_indexed=1,
    )
    (window,) = saelake.connect(made.lake.uri)[str(made.name)].windows(
        1, 1, schema.MAX_PART_TOKENS + 2, n_tokens=16
    )
    start, words, values = expected(made, 1, 1, schema.MAX_PART_TOKENS + 2, 16)
    assert window.start == start == schema.MAX_PART_TOKENS - 10
    assert [piece.strip() for piece in window.pieces] == words
    assert list(window.values) == values
    assert np.count_nonzero(values)


def test_what_cannot_be_a_place_is_refused(collection: Collection) -> None:
    for docs, positions, told in (
        ([1, 2], [0], "2 documents and 1"),
        ([], [], "1 to 10,000"),
        ([1], [-1], "from 0"),
    ):
        with pytest.raises(InvalidInput, match=told):
            collection.windows(1, docs, positions)
    with pytest.raises(InvalidInput, match="at most 4,096"):
        collection.windows(1, 1, 1, n_tokens=5000)
    with pytest.raises(NotFound, match="99"):
        collection.windows(1, [1, 99], [0, 0])
    with pytest.raises(NotFound):
        collection.windows(10**6, 1, 0)
    with pytest.raises(NotFound, match="1000000"):
        collection.windows([1, 10**6], [1, 2], [0, 0])
    with pytest.raises(InvalidInput, match="2 features are not those of 3"):
        collection.windows([1, 2], [1, 2, 3], [0, 0, 0])
    with pytest.raises(InvalidInput, match="one for each"):
        collection.windows([], [1], [0])
