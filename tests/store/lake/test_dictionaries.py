"""The registry of dictionaries."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from saelake.store.errors import AlreadyExists, NotFound
from saelake.store.lake.dictionaries import (
    RegisteredDictionary,
    check_registrable,
    register_dictionary,
    unregister_dictionary,
    vocabulary_of,
)
from saelake.store.lake.lake import Lake
from saelake.store.tables.tables import read

SAE = RegisteredDictionary(name="sae", fingerprint="f", d_sae=9, location="/weights")
OTHER = RegisteredDictionary(name="other", fingerprint="g", d_sae=4)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def test_a_dictionary_is_registered_once(lake: Lake) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: register_dictionary(lake, SAE, []), range(3)))
    names = read(lake.dictionaries, ["name"], "name is not null")["name"].to_pylist()
    assert names == ["sae"]
    another = RegisteredDictionary(name="sae", fingerprint="another", d_sae=9)
    with pytest.raises(AlreadyExists, match="--name"):
        register_dictionary(lake, another, [])
    with pytest.raises(AlreadyExists, match="--name"):
        check_registrable(lake, "sae", "another")
    check_registrable(lake, "sae", "f")


def test_what_is_registered_is_found(lake: Lake) -> None:
    assert RegisteredDictionary.find(lake, "sae") is None
    assert vocabulary_of(lake, "sae") == []
    check_registrable(lake, "sae", "f")
    register_dictionary(lake, SAE, ["a", "b"])
    register_dictionary(lake, OTHER, [])
    assert RegisteredDictionary.open(lake, "sae") == SAE
    assert RegisteredDictionary.open(lake, "other") == OTHER
    assert vocabulary_of(lake, "sae") == ["a", "b"]
    assert vocabulary_of(lake, "other") == []
    with pytest.raises(NotFound, match="has no dictionary 'none'"):
        RegisteredDictionary.open(lake, "none")


def test_what_was_taken_out_can_be_registered_again(lake: Lake) -> None:
    unregister_dictionary(lake, "sae")
    for _ in range(2):
        register_dictionary(lake, SAE, ["a"])
        unregister_dictionary(lake, "sae")
        assert RegisteredDictionary.find(lake, "sae") is None
        assert vocabulary_of(lake, "sae") == []
