"""What callers may ask."""

import typing
from dataclasses import fields
from typing import Any

import pytest

from saelake.store.errors import InvalidInput, PermissionDenied
from saelake.store.lake.states import LakeState
from saelake.store.requests.checks import Selection
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.named import PLACES, corpora, places
from saelake.store.requests.request import Right
from saelake.store.requests.tokens import TokensQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.service.access.grants import (
    RIGHTS,
    check_at,
    check_corpus,
    check_right,
    granted,
    includes,
)
from saelake.store.service.caller import Caller
from saelake.store.wire.requests import METHODS

ANA = Caller(name="ana", corpora=frozenset(["b", "a"]))
# Fields with text that names nothing of another corpus.
OTHERS = {
    "about",
    "adjacent",
    "align",
    "by",
    "cluster_by",
    "column",
    "columns",
    "control",
    "explainers",
    "expression",
    "id",
    "ids",
    "inside",
    "measure",
    "method",
    "name",
    "of",
    "order",
    "per",
    "phrase",
    "pooling",
    "scope",
    "score",
    "text",
    "texts",
    "token",
    "unit",
    "where",
}


def test_each_right_includes_those_before_it() -> None:
    for held in RIGHTS:
        for needed in RIGHTS:
            assert includes(held, needed) == (RIGHTS.index(held) >= RIGHTS.index(needed))
        assert not includes(None, held)


@pytest.mark.parametrize("held", [None, "read"])
def test_who_lacks_a_right_is_told_which(held: Right | None) -> None:
    with pytest.raises(PermissionDenied, match="needs the right label, and ana has"):
        check_right(Caller(name="ana", right=held), "label")


def test_every_field_with_text_is_known_to_name_a_place_or_none() -> None:
    """A field that is new must be said here, and in `PLACES` where it names a collection."""
    for kind in METHODS.values():
        hints = typing.get_type_hints(kind)
        for field in fields(typing.cast(Any, kind)):
            said = str(hints[field.name])
            if "str" in said or "Literal" in said:
                assert field.name in {*PLACES, *OTHERS, "corpora", "corpus"}, (kind, field.name)


def test_places_are_those_of_all_selections() -> None:
    a, b, c = (Selection(collection=name, where="x = 'y/z'") for name in ("a/d", "b/d", "c/d"))
    query = DiffQuery(a=a, others=(b, c))
    assert list(places(query)) == ["a/d", "b/d", "c/d"]
    assert list(corpora(query)) == ["a", "b", "c"]
    with pytest.raises(PermissionDenied, match="the corpus c:"):
        granted(ANA, query)


def test_a_question_is_as_it_was_where_it_is_granted() -> None:
    for asked in (TokensQuery(collection="a/d", expression="1"), InfoQuery(corpora=("b",))):
        assert granted(ANA, asked) is asked
    everything = InfoQuery()
    assert granted(Caller(name="bo"), everything) is everything


def test_a_list_of_all_becomes_one_of_what_is_granted() -> None:
    assert granted(ANA, InfoQuery()) == InfoQuery(corpora=("a", "b"))


def test_who_was_granted_nothing_sees_nothing() -> None:
    nobody = Caller(name="no", corpora=frozenset())
    for asked in (InfoQuery(), VerifyQuery(), TokensQuery(collection="a/d", expression="1")):
        with pytest.raises(PermissionDenied):
            granted(nobody, asked)


def test_a_corpus_is_granted_by_its_whole_name() -> None:
    check_corpus(ANA, "a")
    for other in ("A", "a ", "ab", "", "a/d"):
        with pytest.raises(PermissionDenied):
            check_corpus(ANA, other)


def test_what_a_limited_caller_asks_of_is_bounded() -> None:
    for at in (None, "v1", "2026-11-21T10:00:00Z", str(LakeState(at="v1", tables={"a--x": "0"}))):
        check_at(ANA, at)
    with pytest.raises(InvalidInput, match="at most 100 characters"):
        check_at(ANA, "x" * 1000)
    check_at(Caller(name="bo"), "x" * 1000)
