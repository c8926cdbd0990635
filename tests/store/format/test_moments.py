"""Times at which a lake is asked for, as every machine has them."""

import time
from collections.abc import Iterator

import pytest

from saelake.store.errors import InvalidInput
from saelake.store.format.moments import zoned


@pytest.fixture
def in_india(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("in_india")
def test_a_time_without_a_zone_is_of_this_machine_and_others_of_theirs() -> None:
    assert zoned("2026-11-21T10:00") == "2026-11-21T04:30:00+00:00"
    assert zoned("2026-11-21T10:00+01:00") == "2026-11-21T09:00:00+00:00"
    assert zoned(zoned("2026-11-21T10:00")) == zoned("2026-11-21T10:00")


def test_a_tag_stays_as_it_is() -> None:
    assert zoned("paper-v1") == "paper-v1"


def test_a_time_that_there_never_was_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no time that a lake"):
        zoned("0001-01-01T00:00+14:00")
