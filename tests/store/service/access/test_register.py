"""Who is known: names, what they may do, from when to when."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from saelake.store.errors import AlreadyExists, InvalidInput, NotFound
from saelake.store.service.access.register import Grant, Register

NOW = datetime(2026, 11, 29, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def grant(name: str = "ana", **more: Any) -> Grant:
    return Grant(name=name, created=NOW, **more)


def test_a_token_is_of_its_name_until_it_expires() -> None:
    register, token = Register().issued(grant(right="label", corpora=("a", "b"), expires=NOW + DAY))
    known = register.of_token(token, NOW)
    assert known is not None
    assert (known.name, known.right, known.corpora) == ("ana", "label", frozenset("ab"))
    assert register.of_token(token, NOW + DAY) is None
    assert register.of_token(token[:-1], NOW) is None
    assert register.of_token("", NOW) is None
    assert register.of_token(token.replace("sl_", "xx_"), NOW) is None
    assert register.of_token("sl_000000000000_" + token.rpartition("_")[2], NOW) is None


def test_a_name_is_given_once() -> None:
    register, _ = Register().issued(grant())
    with pytest.raises(AlreadyExists, match="rotate its token"):
        register.issued(grant())
    with pytest.raises(AlreadyExists, match="ana"):
        register.certified(grant(), "CN=ana")
    with pytest.raises(AlreadyExists, match="CN=bo"):
        register.certified(grant("bo"), "CN=bo").certified(grant("cy"), "CN=bo")


def test_a_rotated_token_is_good_beside_its_successor_for_a_while() -> None:
    first, old = Register().issued(grant(right="label", expires=NOW + 30 * DAY))
    later = NOW + 10 * DAY
    second, new = first.rotated("ana", later, HOUR)
    for when, both in ((later, (True, True)), (later + HOUR, (False, True))):
        assert tuple(second.of_token(t, when) is not None for t in (old, new)) == both
    known = second.of_token(new, later)
    assert known is not None
    assert known.right == "label"
    assert second.of_token(new, later + 29 * DAY) is not None, "as long as the first was made for"
    assert second.of_token(new, later + 30 * DAY) is None
    third, newest = second.rotated("ana", later, timedelta(), expires=later + DAY)
    assert [third.of_token(t, later) is not None for t in (old, new, newest)] == [
        False,
        False,
        True,
    ]
    assert len(third.tokens) == 1, "those that have ended are not kept"
    with pytest.raises(NotFound, match="Known: ana"):
        third.rotated("bo", NOW, HOUR)


def test_a_rotation_never_makes_a_token_last_longer() -> None:
    first, old = Register().issued(grant(expires=NOW + HOUR))
    second, _ = first.rotated("ana", NOW, 7 * DAY)
    assert second.of_token(old, NOW + HOUR) is None


def test_who_is_revoked_may_do_nothing() -> None:
    register, token = Register().issued(grant())
    register, other = register.issued(grant("bo"))
    register = register.certified(grant("cy"), "CN=cy").revoked("ana").revoked("cy")
    assert register.of_token(token, NOW) is None
    assert register.of_token(other, NOW) is not None
    assert register.of_subjects(["CN=cy"], NOW) is None
    with pytest.raises(NotFound, match="no ana"):
        register.revoked("ana")


def test_a_certificate_is_of_the_first_of_its_subjects_that_is_known() -> None:
    register = Register().certified(grant("robot"), "spiffe://x/robot")
    register = register.certified(grant("old", expires=NOW + HOUR), "CN=robot")
    found = register.of_subjects(["spiffe://x/robot", "CN=robot"], NOW)
    assert found is not None
    assert found.name == "robot"
    assert register.of_subjects(["spiffe://x/other", "robot"], NOW) is None
    assert register.of_subjects(["CN=robot"], NOW + HOUR) is None
    assert register.of_subjects([], NOW) is None
    assert len(list(register.current(NOW + HOUR).grants())) == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "  "},
        {"name": "a\x1b[2J"},
        {"name": "a\u202eb"},
        {"name": "x" * 101},
        {"right": "fly"},
        {"corpora": ("no/corpus",)},
        {"corpora": ("",)},
    ],
    ids=repr,
)
def test_a_grant_that_cannot_be_meant_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        replace(grant(), **wrong)
