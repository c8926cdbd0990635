"""Keys are found, and shown nowhere."""

import pickle
import traceback
import warnings
from pathlib import Path
from typing import Any

import pytest

from saelake.language.amounts import Budget
from saelake.language.keys import ApiKey, read_key
from saelake.language.settings import LanguageSettings, default_cache
from saelake.store.errors import InvalidInput, SentInClear

KEY = "sk-secret-0123456789"


def chosen(base_url: str = "https://there.example/v1", **more: Any) -> LanguageSettings:
    return LanguageSettings(base_url=base_url, model="m", **more)


def test_a_key_is_in_no_text_and_no_pickle() -> None:
    of_key = chosen(key=ApiKey(KEY))
    assert "secret" not in f"{of_key} {of_key!r} {of_key.key} {of_key.key!r}"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(of_key)
    assert ApiKey(KEY).hidden_in(f"Bad key {KEY}.") == "Bad key [the key]."


@pytest.mark.parametrize("wrong", ["", "a b", "ä", "a\nb"])
def test_what_no_header_carries_is_no_key_and_is_not_shown(wrong: str) -> None:
    with pytest.raises(InvalidInput, match="A key is") as told:
        ApiKey(wrong)
    assert not wrong or wrong not in "".join(traceback.format_exception_only(told.value))


def test_a_key_is_in_the_usual_variable_or_in_a_named_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert read_key() is None
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OTHER", "other ")
    usual, other = read_key(), read_key(variable="OTHER")
    assert usual is not None
    assert usual.reveal() == KEY
    assert other is not None
    assert other.reveal() == "other"
    with pytest.raises(InvalidInput, match="NONE has no key"):
        read_key(variable="NONE")


def test_a_key_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{KEY}\n")
    file.chmod(0o640)
    with pytest.raises(InvalidInput, match="chmod 600"):
        read_key(file=file)
    file.chmod(0o600)
    found = read_key(file=file)
    assert found is not None
    assert found.reveal() == KEY
    file.write_text("")
    with pytest.raises(InvalidInput, match="empty"):
        read_key(file=file)
    with pytest.raises(InvalidInput, match="Cannot read"):
        read_key(file=tmp_path / "none")
    with pytest.raises(InvalidInput, match="name one"):
        read_key(file=file, variable="OTHER")


def test_a_key_that_goes_in_clear_to_another_machine_is_a_warning() -> None:
    with pytest.warns(SentInClear, match="https://") as told:
        chosen("http://there.example/v1", key=ApiKey(KEY))
    assert KEY not in str(told[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen("http://there.example/v1")
        chosen("http://127.0.0.1:8000/v1", key=ApiKey(KEY))
        chosen("http://localhost/v1", key=ApiKey(KEY))
        chosen(key=ApiKey(KEY))


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"base_url": "localhost:8000"}, "address is as http"),
        ({"base_url": "http://x/v1?key=secret"}, "address is as http"),
        ({"base_url": "http://[::1/v1"}, "is no URL"),
        ({"base_url": "http://x:port/v1"}, "is no URL"),
        ({"base_url": "https://user:secret@there/v1"}, "A key goes into a variable"),
        ({"concurrency": 0}, "concurrency is 1 or more"),
        ({"timeout_s": float("nan")}, "more than 0"),
        ({"budget": Budget(money=1)}, "needs the prices"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_told(wrong: dict[str, Any], match: str) -> None:
    with pytest.raises(InvalidInput, match=match):
        chosen(**wrong)


def test_an_address_has_one_form() -> None:
    assert chosen("http://localhost:8000/v1/ ") == chosen("http://localhost:8000/v1")


def test_replies_are_kept_where_caches_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "saelake" / "language"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache" / "saelake" / "language"
