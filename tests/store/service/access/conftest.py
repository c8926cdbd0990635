"""A lake of two corpora, and a file of tokens."""

from pathlib import Path

import pytest

from saelake.store.lake.lake import CollectionName
from tests.lakes import make_lake


@pytest.fixture(scope="package")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("granted") / "lake"
    make_lake(folder, n_documents=20, name=CollectionName("secret", "random"))
    return make_lake(folder, n_documents=20).lake.uri


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    return tmp_path / "who" / "tokens.json"
