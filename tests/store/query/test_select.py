"""Documents near a target set, against dense matrices of the same codes."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.engine import Engine
from saelake.store.errors import DictionaryMismatch, InvalidFilter, InvalidInput, NotFound
from saelake.store.lake.lake import CollectionName
from saelake.store.requests.checks import Pooling, Selection
from saelake.store.requests.select import SelectQuery
from tests.lakes import MadeLake, add_dictionary, make_lake

N_FEATURES = 12
WHERES: dict[str | None, Callable[[MadeLake, int], bool]] = {
    None: lambda made, doc: True,
    "label = 'pos'": lambda made, doc: made.labels[doc] == "pos",
    "label = 'neg'": lambda made, doc: made.labels[doc] == "neg",
    "length > 25": lambda made, doc: len(made.texts[doc]) > 25,
}
MADE, OTHER = Selection(collection="made/random"), Selection(collection="other/random")

Floats = npt.NDArray[np.float64]


class Asked:
    """Two corpora encoded by one dictionary, and what asks about them."""

    def __init__(self, **by_name: MadeLake) -> None:
        self.by_name = {f"{name}/random": made for name, made in by_name.items()}
        self.engine = Engine(self.by_name["made/random"].lake.uri)

    def select(self, pool: Selection, target: Selection, **asked: Any) -> list[dict[str, Any]]:
        query = SelectQuery(pool=pool, target=target, **asked)
        rows: list[dict[str, Any]] = self.engine.ask(query).read_all().to_pylist()
        return rows

    def embeddings(self, selection: Selection, pooling: str) -> Mapping[int, Floats]:
        made, keeps = self.by_name[selection.collection], WHERES[selection.where]
        rows = made.embeddings(pooling).astype(np.float64)
        return {d: r for d, r in enumerate(rows) if keeps(made, d) and not np.isnan(r).any()}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("select") / "lake"
    made, other = (
        make_lake(
            folder,
            seed=seed,
            n_documents=40,
            density=0.15,
            name=CollectionName(corpus, "random"),
            failed={(3, 0)},
        )
        for seed, corpus in ((1, "made"), (2, "other"))
    )
    return Asked(made=made, other=other)


def brute_force(asked: Asked, query: SelectQuery) -> Mapping[int, float]:
    """The score of each document of the pool that shares a feature with the target."""
    w = np.ones(N_FEATURES)
    if query.idf:
        whole = asked.embeddings(Selection(collection=query.pool.collection), "binary")
        df = np.sum([row > 0 for row in whole.values()], axis=0)
        w = np.where(df > 0, np.log(len(whole) / np.maximum(df, 1)), 0)
    target = asked.embeddings(query.target, query.pooling)
    mean = np.mean([unit(w * row) for row in target.values()], axis=0)
    same = query.pool.collection == query.target.collection
    return {
        doc: float(unit(mean) @ unit(w * row))
        for doc, row in asked.embeddings(query.pool, query.pooling).items()
        if (mean * w * row).any() and not (same and doc in target)
    }


def unit(row: Floats) -> Floats:
    found: Floats = row / (np.linalg.norm(row) or 1)
    return found


selections = st.builds(
    Selection,
    collection=st.sampled_from(["made/random", "other/random"]),
    where=st.sampled_from(list(WHERES)),
)


@settings(max_examples=60, deadline=None)
@given(
    pool=selections,
    target=selections,
    k=st.sampled_from([None, 1, 6, 1000]),
    pooling=st.sampled_from(["max", "mean", "sum", "binary"]),
    idf=st.booleans(),
)
def test_scores_are_cosines_with_the_targets_mean(
    asked: Asked, pool: Selection, target: Selection, k: int | None, pooling: Pooling, idf: bool
) -> None:
    query = SelectQuery(pool=pool, target=target, k=k, pooling=pooling, idf=idf)
    expected = brute_force(asked, query)
    found = {
        r["doc"]: r["score"] for r in asked.select(pool, target, k=k, pooling=pooling, idf=idf)
    }
    assert found == {doc: pytest.approx(expected[doc], rel=1e-4) for doc in found}
    assert list(found.items()) == sorted(found.items(), key=lambda hit: (-hit[1], hit[0]))
    best = sorted(expected.values(), reverse=True)[:k]
    assert list(found.values()) == pytest.approx(best, rel=1e-4)


def test_a_hit_is_of_the_pool_and_says_why(asked: Asked) -> None:
    made = asked.by_name["other/random"]
    rows = asked.embeddings(OTHER, "max")
    hits = asked.select(OTHER, MADE, k=5)
    assert len(hits) == 5
    for hit in hits:
        doc = hit["doc"]
        assert (hit["id"], hit["text"]) == (f"d{doc}", made.texts[doc])
        shares = [shared["share"] for shared in hit["shared_features"]]
        assert shares == sorted(shares, reverse=True)
        assert sum(shares) <= 1 + 1e-5
        assert all(rows[doc][s["feature"]] == s["value"] for s in hit["shared_features"])


def test_the_target_itself_is_left_out_whatever_encoded_it(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=20)
    engine = Asked(made=made)
    rest = engine.select(MADE, Selection(collection="made/random", where="label = 'pos'"), k=None)
    assert {made.labels[hit["doc"]] for hit in rest} == {"neg"}
    assert engine.select(MADE, MADE) == []


def test_what_is_left_out_is_said(asked: Asked) -> None:
    made = asked.by_name["made/random"]
    target = Selection(collection="made/random", where="label = 'pos'")
    hits = asked.select(MADE, target, k=None)
    notes = json.loads(
        asked.engine.ask(SelectQuery(pool=MADE, target=target, k=None))
        .read_all()
        .schema.metadata[b"notes"]
    )
    known = asked.embeddings(MADE, "max")
    n_own = sum(made.labels[doc] == "pos" for doc in known)
    unlike = len(known) - n_own - len(hits)
    assert notes[0] == f"{n_own} documents of the pool are in the target, and are left out."
    shares = "document of the pool shares" if unlike == 1 else "documents of the pool share"
    assert any(note.startswith(f"{unlike} {shares} no feature") for note in notes) == bool(unlike)
    assert "1 document of the pool is not encoded, and is left out." in notes


def test_the_order_of_a_long_target_does_not_count(asked: Asked) -> None:
    """Each target document counts once, however many tokens it has."""
    few = Selection(collection="made/random", where="id in ('d1', 'd2')")
    one, two = (unit(row) for doc, row in asked.embeddings(MADE, "sum").items() if doc in (1, 2))
    for hit in asked.select(OTHER, few, k=None, pooling="sum", idf=False):
        row = asked.embeddings(OTHER, "sum")[hit["doc"]]
        assert hit["score"] == pytest.approx(unit(one + two) @ unit(row), rel=1e-4)


@pytest.mark.parametrize(
    ("pool", "target", "error", "said"),
    [
        (
            MADE,
            Selection(collection="other/random", where="length < 0"),
            InvalidInput,
            "length < 0",
        ),
        (MADE, Selection(collection="other/random", where="id = 'd3'"), InvalidInput, "No feature"),
        (MADE, Selection(collection="other/none"), NotFound, "other/none"),
        (MADE, Selection(collection="other/random", where="colour = 1"), InvalidFilter, "colour"),
        (Selection(collection="made"), OTHER, InvalidInput, "corpus/dictionary"),
    ],
)
def test_mistakes_are_named(
    asked: Asked, pool: Selection, target: Selection, error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        asked.select(pool, target)


def test_an_empty_pool_has_no_hits(asked: Asked) -> None:
    assert asked.select(Selection(collection="made/random", where="length < 0"), OTHER) == []


def test_features_of_two_dictionaries_are_not_compared(tmp_path: Path) -> None:
    made = make_lake(tmp_path / "lake", n_documents=10)
    add_dictionary(made, "second", n_features=made.n_features)
    with pytest.raises(DictionaryMismatch, match="made/random and made/second"):
        Asked(made=made).select(MADE, Selection(collection="made/second"))


@pytest.mark.parametrize(
    ("asked_for", "said"), [({"k": 0}, "k must"), ({"pooling": "x"}, "pooling cannot be")]
)
def test_wrong_questions_are_not_asked(asked_for: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        SelectQuery(pool=MADE, target=OTHER, **asked_for)
