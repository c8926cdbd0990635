"""The file of who is known: for its owner alone, whole, and outside of lakes."""

import json
import stat
from datetime import timedelta
from multiprocessing import get_context
from pathlib import Path

import pytest

from saelake.store.errors import AlreadyExists, InvalidInput, NotFound
from saelake.store.service.access.register import Grant, now_utc
from saelake.store.service.access.register_file import change, read_register
from tests.store.service.access.serving import issue


def test_what_is_written_is_read(tokens: Path) -> None:
    now = now_utc()
    token = issue(tokens, "ana", "label", "a", "b")
    grant = Grant(name="robot é", right="admin", created=now, expires=now + timedelta(days=1))
    change(tokens, lambda known: (known.certified(grant, "spiffe://x/robot"), None))
    known = read_register(tokens)
    assert known.certificates[0].grant == grant
    ana = known.of_token(token, now)
    assert ana is not None
    assert ana.corpora == frozenset({"a", "b"})
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600
    assert [path.name for path in tokens.parent.iterdir()] == ["tokens.json"]
    assert token.rpartition("_")[2] not in tokens.read_text()


def test_what_has_expired_is_not_kept(tokens: Path) -> None:
    now = now_utc()
    gone = Grant(name="ana", created=now - timedelta(days=2), expires=now - timedelta(days=1))
    change(tokens, lambda known: known.issued(gone))
    assert read_register(tokens).of_token("x", now) is None
    issue(tokens, "ana")
    assert len(read_register(tokens).tokens) == 1


def test_nothing_is_written_where_it_fails(tokens: Path) -> None:
    issue(tokens, "ana")
    before = tokens.read_bytes()
    with pytest.raises(AlreadyExists):
        issue(tokens, "ana")
    assert tokens.read_bytes() == before
    with pytest.raises(NotFound, match="Known: none"):
        change(tokens.with_name("other"), lambda known: (known.revoked("x"), None))
    assert len(list(tokens.parent.iterdir())) == 1


def _issue_ten(tokens: Path, who: int) -> None:
    for number in range(10):
        issue(tokens, f"{who}-{number}")


def test_several_who_write_at_once_lose_nothing(tokens: Path) -> None:
    tokens.parent.mkdir()
    running = [
        get_context("spawn").Process(target=_issue_ten, args=(tokens, who)) for who in range(3)
    ]
    for process in running:
        process.start()
    for process in running:
        process.join()
    assert len(read_register(tokens).tokens) == 30


def test_a_file_in_a_lake_is_refused(uri: str) -> None:
    table = next(Path(uri).glob("*.lance"))
    for path in (Path(uri) / "tokens.json", table / "tokens.json", table / "data" / "tokens.json"):
        with pytest.raises(InvalidInput, match="in a lake"):
            issue(path)
        assert not path.exists()


GOOD = {
    "name": "a",
    "right": "read",
    "corpora": None,
    "created": "2026-11-29T00:00:00+00:00",
    "expires": None,
    "id": "0" * 12,
    "salt": "00",
    "sha256": "00",
}


WRONG: list[dict[str, object]] = [
    {"right": "all"},
    {"right": None},
    {"corpora": []},
    {"corpora": "a"},
    {"corpora": ["../b"]},
    {"created": "now"},
    {"expires": "2026-11-29T00:00:00"},
    {"salt": "xy"},
    {"sha256": 3},
    {"name": 3},
]


def file_of(*rows: object) -> str:
    return json.dumps({"version": 1, "tokens": rows, "certificates": []})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "3",
        '{"version": 2, "tokens": [], "certificates": []}',
        '{"version": 1, "tokens": 3, "certificates": []}',
        file_of({}),
        *(file_of({**GOOD, **wrong}) for wrong in WRONG),
    ],
)
def test_a_file_that_says_nothing_sure_is_refused(tokens: Path, text: str) -> None:
    tokens.parent.mkdir()
    tokens.write_text(text)
    with pytest.raises(InvalidInput, match="no file of `saelake token`"):
        read_register(tokens)


def test_a_file_that_is_good_is_read(tokens: Path) -> None:
    tokens.parent.mkdir()
    tokens.write_text(file_of(GOOD))
    assert len(read_register(tokens).tokens) == 1


def test_a_file_that_cannot_be_read_says_so(tokens: Path) -> None:
    with pytest.raises(NotFound, match="saelake token create"):
        read_register(tokens)
    tokens.mkdir(parents=True)
    with pytest.raises(InvalidInput, match="Cannot read"):
        read_register(tokens)
