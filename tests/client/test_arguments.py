"""Arguments that cannot be meant end in one error that says what can."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import saelake
from saelake.collection import Collection
from saelake.store.errors import InvalidInput
from tests.lakes import MadeLake, make_lake

NAME = "made/random"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("arguments") / "lake", n_documents=20)


@pytest.fixture(scope="module")
def collection(made: MadeLake) -> Collection:
    return saelake.connect(made.lake.uri)[NAME]


WRONG: dict[str, tuple[Callable[[Any], object], str]] = {
    "an id that is a number": (lambda c: c.document(2046), "given as doc="),
    "a number that is text": (lambda c: c.document(doc="7"), "give it as id="),
    "a number like an id": (lambda c: c.similar(doc="2046"), "give it as id="),
    "an id like a number": (lambda c: c.similar(id=2046), "given as doc="),
    "a word for features": (lambda c: c.features("oil"), "token="),
    "words for features": (lambda c: c.features(["oil"]), "token="),
    "k as text": (lambda c: c.tokens(5, k="5"), "k must be a whole number, not '5'"),
    "k as a fraction": (lambda c: c.tokens(5, k=1.5), "k must be a whole number, not 1.5"),
    "where as a number": (lambda c: c.tokens(5, where=5), "where must be text, not 5"),
    "a name for a collection": (lambda c: c.diff("x"), "not 'x'"),
    "a name to select by": (lambda c: c.select("x"), "not 'x'"),
    "a name to correlate with": (lambda c: c.correlate("x", align="id"), "not 'x'"),
    "a name to match": (lambda c: c.match("other"), "not 'other'"),
    "weights without numbers": (lambda c: c.similar(features=[1, 2]), "a number for each feature"),
    "a weight as text": (lambda c: c.similar(features={1: "x"}), "weight must be a number"),
    "a choice that is none": (lambda c: c.tokens(5, per="page"), "choose one of document, token"),
    "truth as a word": (lambda c: c.similar(id="d1", idf="yes"), "idf must be True or False"),
    "a column as a number": (lambda c: c.shares(5, by=3), "by must be text, not 3"),
    "a column of values as a number": (lambda c: c.values(3), "by must be text, not 3"),
    "columns as one number": (lambda c: c.associate(5), "columns must be text, not 5"),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_is_one_clear_error(collection: Collection, mistake: str) -> None:
    ask, said = WRONG[mistake]
    with pytest.raises(InvalidInput) as caught:
        ask(collection)
    assert said in str(caught.value)


def test_numbers_of_numpy_are_numbers(collection: Collection) -> None:
    plain = collection.tokens(5, k=2, context=10)
    assert collection.tokens(np.int64(5), k=np.int32(2), context=np.uint8(10)) == plain  # type: ignore[arg-type]
    assert collection.features(np.array([5, 3])) == collection.features([5, 3])  # type: ignore[arg-type]
    similar = collection.similar(doc=np.arange(2), k=3)  # type: ignore[arg-type]
    assert similar == collection.similar(doc=[0, 1], k=3)
    assert collection.document(doc=np.uint64(3)) == collection.document("d3")  # type: ignore[arg-type]


def test_former_names_still_answer_and_say_what_is_said_now(collection: Collection) -> None:
    with pytest.warns(DeprecationWarning, match="correlations is called correlate now"):
        pairs = collection.correlations(min_npmi=0.1, min_documents=2)
    assert pairs == collection.correlate(min_npmi=0.1, min_documents=2)
    with pytest.warns(DeprecationWarning, match="clusters is called cluster now"):
        groups = collection.clusters(2, seed=1)
    assert groups == collection.cluster(2, seed=1)


def test_former_names_of_a_dictionary(collection: Collection) -> None:
    dictionary = collection.dictionary
    with pytest.warns(DeprecationWarning, match="features= now"):
        assert list(dictionary.labels([3, 9])) == []  # type: ignore[arg-type]
    with (
        pytest.warns(DeprecationWarning, match="nearest is called neighbors now"),
        pytest.raises(saelake.NotFound),
    ):
        dictionary.nearest(3)
    with (
        pytest.warns(DeprecationWarning, match="features is called labels now"),
        pytest.raises(saelake.NotFound),
    ):
        dictionary.features("rain")
