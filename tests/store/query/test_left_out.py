"""What answers say of documents that they leave out, of the choice they made, and of their test."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from saelake.store.engine import Engine
from saelake.store.requests.associate import AssociateQuery
from saelake.store.requests.checks import Selection
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.families import FamiliesQuery
from saelake.store.requests.request import Request
from tests.lakes import MadeLake, make_lake

N, C = 60, "made/random"
FAILED = {(3, 0), (31, 0), (44, 0)}
KEPT = [d for d in range(N) if (d, 0) not in FAILED]
SIDES = ["a" if i < 24 else "b" if i < 54 else "c" for i in range(N)]
KEYS = [None if i % 13 == 1 else f"k{i % 8}" for i in range(N)]
RATINGS = [None if i == 10 else float("nan") if i == 50 else float(i % 5) for i in range(N)]


def where(predicate: str | None) -> Selection:
    return Selection(collection=C, where=predicate)


A, B, THIRD = (where(f"side = '{side}'") for side in "abc")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(
        tmp_path_factory.mktemp("left_out") / "lake",
        n_documents=N,
        seed=5,
        tokens=(1, 12),
        failed=FAILED,
        columns={
            "side": pa.array(SIDES),
            "key": pa.array(KEYS, pa.string()),
            "rating": pa.array(RATINGS, pa.float64()),
            "own": pa.array([f"{side}{i % 2}" for i, side in enumerate(SIDES)]),
        },
    )


@pytest.fixture(scope="module")
def engine(made: MadeLake) -> Engine:
    return Engine(made.lake.uri)


def ask(engine: Engine, query: Request) -> tuple[list[dict[str, Any]], dict[str, Any], list[str]]:
    table = engine.ask(query).read_all()
    said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    return table.to_pylist(), said, json.loads(said["notes"])


def diff(engine: Engine, *sides: Selection, **how: Any) -> Any:
    return ask(engine, DiffQuery(a=sides[0], others=sides[1:], **{"examples": False, **how}))


def n(keep: Sequence[bool]) -> int:
    """How many encoded documents these are."""
    return sum(keep[d] for d in KEPT)


def of(side: str) -> list[bool]:
    return [each == side for each in SIDES]


# -- Documents that are left out.


def test_a_diff_counts_what_is_on_no_side_and_what_is_not_encoded(engine: Engine) -> None:
    notes = diff(engine, A, B)[2]
    assert "1 document of a is not encoded, and is left out." in notes
    assert "2 documents of b are not encoded, and are left out." in notes
    assert f"{N - 54} of {N} documents of made are on no side." in notes
    notes = diff(engine, A, where(None))[2]
    assert not any("no side" in note for note in notes)


def test_a_null_is_no_value_of_a_filter_and_so_on_no_side(engine: Engine) -> None:
    notes = diff(engine, where("key = 'k1'"), where("key <> 'k1'"))[2]
    keyless = KEYS.count(None)
    assert f"{keyless} of {N} documents of made are on no side." in notes


@pytest.mark.parametrize("how", [{"align": "key"}, {"control": ("key",)}])
def test_documents_without_a_value_are_counted(engine: Engine, how: dict[str, Any]) -> None:
    _, said, notes = diff(engine, A, B, **how)
    for side, name in (("a", "n_a"), ("b", "n_b")):
        total = n(of(side))
        keyless = n([k is None and s == side for k, s in zip(KEYS, SIDES, strict=True)])
        assert keyless > 1
        (note,) = (note for note in notes if f"documents of {side} have no" in note)
        assert note.startswith(f"{total - int(said[name])} of {total} documents of {side} have no ")
        assert f"({keyless} of them have no key) and are left out." in note


def test_which_of_several_others_a_note_is_of(engine: Engine) -> None:
    notes = diff(engine, A, B, THIRD, align="key")[2]
    partner = [note for note in notes if "partner with one key" in note]
    assert all(note.startswith((f"Against {B}: ", f"Against {THIRD}: ")) for note in partner)
    assert len({note.split(": ")[0] for note in partner}) == 2


def test_a_null_cluster_is_a_unit_of_its_own_in_every_analysis(engine: Engine) -> None:
    keyless = [key is None for key in KEYS]
    _, said, notes = diff(engine, A, B, cluster_by="key")
    either = n([k and s != "c" for k, s in zip(keyless, SIDES, strict=True)])
    assert f"{either} documents have no key: each is a unit of its own." in notes
    a = {KEYS[d] or f"own {d}" for d in KEPT if SIDES[d] == "a"}
    assert int(said["n_clusters_a"]) == len(a)
    query = AssociateQuery(collection=C, columns=("length",), cluster_by="key", min_documents=1)
    _, said, notes = ask(engine, query)
    assert f"{n(keyless)} documents have no key: each is a unit of its own." in notes
    assert int(said["n"]) == len(KEPT)
    assert int(said["n_units"]) == len({KEYS[d] or f"own {d}" for d in KEPT})


def test_associate_counts_documents_without_a_number(engine: Engine) -> None:
    query = AssociateQuery(collection=C, columns=("rating",), min_documents=1, control=("key",))
    _, said, notes = ask(engine, query)
    valueless = n([rating is None or rating != rating for rating in RATINGS])
    assert notes[0] == (
        f"{valueless} of {len(KEPT)} documents have no value in rating and are left out."
    )
    known = len(KEPT) - valueless
    assert notes[1] == (
        f"{known - int(said['n'])} of {known} documents have no value in what is controlled for "
        "and are left out."
    )
    assert "3 documents are not encoded, and are left out." in notes


@pytest.mark.parametrize("kind", [CorrelateQuery, FamiliesQuery])
def test_pairs_are_of_documents_that_are_encoded(engine: Engine, kind: Any) -> None:
    asked = {"a": where(None)} if kind is CorrelateQuery else {"collection": C}
    _, said, notes = ask(engine, kind(**asked, control=("key",)))
    assert int(said["n"]) == n([key is not None for key in KEYS])
    left_out = len(KEPT) - int(said["n"])
    assert notes[0] == (
        f"{left_out} of {len(KEPT)} documents have no value in what is controlled for and are "
        "left out."
    )
    assert notes[-1] == "3 documents are not encoded, and are left out."


# -- Nothing is left, or nothing differs.


def test_where_nothing_is_compared_nothing_more_is_said(engine: Engine) -> None:
    rows, _, notes = diff(engine, A, B, control=("own",), examples=True)
    assert notes[0].startswith("Nothing can be compared")
    assert not any("length" in note for note in notes)
    assert {row["difference"] for row in rows} == {None}
    assert {row["example_a"] for row in rows} | {row["example_b"] for row in rows} == {None}


@pytest.fixture(scope="module")
def unlike(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """Documents of 1 to 60 tokens, and a column `length` of characters, as in every made lake."""
    return make_lake(
        tmp_path_factory.mktemp("unlike") / "lake",
        n_documents=120,
        n_features=30,
        tokens=(1, 60),
        density=0.05,
    )


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, r"tokens\): \d+ features with q < .05 may follow length; try control=length\(\)\.$"),
        ({"threshold": 1e9}, r"tokens\); no feature has q < .05\.$"),
    ],
)
def test_length_is_said_in_words_that_fit(unlike: MadeLake, how: Any, said: str) -> None:
    """Where there is a column `length`, the number of tokens is `length()`."""
    long, short = (Selection(collection=C, where=f"length(text) {o} 150") for o in (">=", "<"))
    notes = ask(Engine(unlike.lake.uri), DiffQuery(a=long, others=(short,), **how))[2]
    (note,) = (note for note in notes if note.startswith("The sides differ in length"))
    assert re.search(said, note), note


# -- The choice of one other, and the test.


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({}, "in which it is most frequent: `against`"),
        ({"cluster_by": "key"}, "in which it is most frequent: `against`"),
        ({"align": "key"}, "most frequent compared with a (the smallest a - b): `against`"),
        ({"control": ("key",)}, "most frequent compared with a (the smallest a - b): `against`"),
    ],
)
def test_the_choice_of_an_other_is_said(engine: Engine, how: Any, said: str) -> None:
    rows, about, notes = diff(engine, A, B, THIRD, k=None, **how)
    assert any(said in note for note in notes)
    assert json.loads(about["others"]) == [str(B), str(THIRD)]
    assert {row["against"] for row in rows} == {str(B), str(THIRD)}


PERMUTED = "the larger of the permutation and the robust variance, gamma distribution"
MIXED = "robust variance, normal distribution"


@pytest.mark.parametrize(
    ("sides", "how", "variance", "exact"),
    [
        ((A, B), {"control": ("key",)}, PERMUTED, True),
        ((A, where(None)), {"control": ("key",)}, MIXED, False),
        ((A, B), {"align": "key"}, PERMUTED, True),
        ((A, where(None)), {"align": "key"}, MIXED, False),
        ((A, B), {"unit": "token"}, PERMUTED, True),
        ((A, where(None)), {"unit": "token"}, MIXED, True),
        ((A, B), {"cluster_by": "key"}, MIXED, True),
        ((A, B), {"cluster_by": "own"}, PERMUTED, True),
    ],
)
def test_a_test_names_its_variance(
    engine: Engine, sides: tuple[Selection, ...], how: Any, variance: str, *, exact: bool
) -> None:
    test = diff(engine, *sides, **how)[1]["test"]
    assert variance in test
    assert ("exact, mid-p, where a feature fires in at most 12" in test) == exact


def test_mid_p_is_twice_the_smaller_tail(engine: Engine, tmp_path: Path) -> None:
    assert "mid-p, twice the smaller tail" in diff(engine, A, B)[1]["test"]
    pairs = make_lake(
        tmp_path / "lake", n_documents=20, columns={"pair": pa.array([i // 2 for i in range(20)])}
    )
    sides = (where("doc % 2 = 0"), where("doc % 2 = 1"))
    test = diff(Engine(pairs.lake.uri), *sides, align="pair")[1]["test"]
    assert test.startswith("McNemar's exact (mid-p, twice the smaller tail)")
    correlated = ask(engine, CorrelateQuery(a=where(None), control=("key",)))[1]["test"]
    assert "hypergeometric variance, gamma distribution; twice the smaller tail" in correlated
