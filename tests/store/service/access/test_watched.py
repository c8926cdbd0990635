"""Files that are read anew when they change."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from threading import Event, Thread

import pytest

from saelake.store.errors import AccessDenied, InvalidInput, NotFound
from saelake.store.service.access import watched
from saelake.store.service.access.register import Register, now_utc
from saelake.store.service.access.register_file import change
from saelake.store.service.access.watched import Watched
from tests.store.service.access.serving import OPEN, connected, issue, server
from tests.store.service.test_load import wait_for


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
        second = change(tokens, partial(rotated, now=now_utc()))
        for token in (first, second):
            assert OPEN in connected(running, token).collections()
        change(tokens, lambda known: (known.revoked("ana"), None))
        for token in (first, second):
            with pytest.raises(AccessDenied, match="expired"):
                connected(running, token).info()
        tokens.write_text("broken")
        assert OPEN in connected(running, other).collections()


def rotated(known: Register, now: datetime) -> tuple[Register, str]:
    return known.rotated("ana", now, timedelta(hours=1))


def more_than(count: Callable[[], int], least: int) -> bool:
    return count() > least


def test_a_token_is_rotated_while_it_is_used(uri: str, tokens: Path, at_once: None) -> None:
    current, failed, n_asked = [issue(tokens)], list[Exception](), 0
    over = Event()

    def asking() -> None:
        nonlocal n_asked
        while not over.is_set():
            try:
                assert OPEN in connected(running, current[-1]).collections()
            except Exception as error:
                failed.append(error)
            n_asked += 1

    with server(uri, tokens=tokens) as running:
        threads = [Thread(target=asking) for _ in range(3)]
        for thread in threads:
            thread.start()
        for _ in range(20):
            current.append(change(tokens, partial(rotated, now=now_utc())))
            wait_for(partial(more_than, lambda: n_asked + 99 * len(failed), n_asked + 3))
        over.set()
        for thread in threads:
            thread.join()
    assert failed == []
