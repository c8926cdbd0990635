"""Files that are read anew when they change."""

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from saelake.store.errors import AccessDenied, InvalidInput, NotFound
from saelake.store.service.access import watched
from saelake.store.service.access.register import now_utc
from saelake.store.service.access.register_file import change
from saelake.store.service.access.watched import Watched
from tests.store.service.access.serving import OPEN, connected, issue, server


def number_in(path: Path) -> int:
    try:
        return int(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{path.name} has no number.") from error


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "LOOK_S", 0.0)


def put(path: Path, text: str) -> None:
    path.with_suffix(".new").write_text(text)
    path.with_suffix(".new").replace(path)


def test_a_file_that_is_replaced_is_read_anew(tmp_path: Path, at_once: None) -> None:
    path = tmp_path / "file"
    put(path, "1")
    number = Watched(path, number_in)
    assert number.value() == 1
    for n in range(2, 20):
        put(path, str(n))
        assert number.value() == n


def test_one_that_is_broken_holds_what_it_said_before(
    tmp_path: Path, at_once: None, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "file"
    put(path, "1")
    number = Watched(path, number_in)
    put(path, "no number, and a secret")
    assert [number.value() for _ in range(3)] == [1, 1, 1]
    path.unlink()
    assert number.value() == 1
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2, "once a change"
    assert "secret" not in caplog.text
    put(path, "2")
    assert number.value() == 2


def test_one_that_is_looked_at_rarely_is_not_read_at_each_question(tmp_path: Path) -> None:
    path = tmp_path / "file"
    put(path, "1")
    number = Watched(path, number_in)
    put(path, "2")
    assert number.value() == 1


def test_a_server_does_not_start_without_its_tokens(uri: str, tokens: Path) -> None:
    with pytest.raises(NotFound, match="saelake token create"):
        server(uri, tokens=tokens).__enter__()
    tokens.parent.mkdir()
    tokens.write_text("{")
    with pytest.raises(InvalidInput, match="no file of"):
        server(uri, tokens=tokens).__enter__()


def test_tokens_come_and_go_while_a_server_runs(uri: str, tokens: Path, at_once: None) -> None:
    first = issue(tokens, "ana")
    with server(uri, tokens=tokens) as running:
        assert OPEN in connected(running, first).collections()
        other = issue(tokens, "bo")
        assert OPEN in connected(running, other).collections()
        now = now_utc()
        second = change(tokens, lambda known: known.rotated("ana", now, timedelta(hours=1)))
        for token in (first, second):
            assert OPEN in connected(running, token).collections()
        change(tokens, lambda known: (known.revoked("ana"), None))
        for token in (first, second):
            with pytest.raises(AccessDenied, match="expired"):
                connected(running, token).info()
        tokens.write_text("broken")
        assert OPEN in connected(running, other).collections()
