"""A small encoded lake whose features have labels, and its server."""

from collections.abc import Iterator

import pytest

from saelake.store.service.changes import Allowed
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.texts import model_texts
from tests.client.cli.command import run
from tests.client.cli.conftest import HostileLake, make_hostile_lake
from tests.encoded import EncodedLake, make_encoded_lake
from tests.tiny import save_dictionary, save_model


@pytest.fixture(scope="package")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> EncodedLake:
    """A lake by a tiny model, whose collection is `words/sae`, with labels and their embeddings."""
    lake = make_encoded_lake(tmp_path_factory.mktemp("agents"), n_documents=40)
    ran = run("label", "words/sae", "--model", lake.sentences, "--lake", lake.lake.uri)
    assert ran.code == 0, ran.err
    return lake


@pytest.fixture(scope="package")
def lake_server(labelled: EncodedLake) -> Iterator[BackgroundServer]:
    """Its server, which lets labels be written."""
    settings = ServerSettings(
        uri=labelled.lake.uri,
        address=Address(port=0),
        texts=model_texts(),
        allowed=Allowed(rights=frozenset({"label"})),
    )
    with BackgroundServer(settings) as running:
        yield running


@pytest.fixture(scope="package")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> HostileLake:
    """A lake whose texts, ids, metadata and tokens are out to drive whoever reads them."""
    folder = tmp_path_factory.mktemp("hostile")
    save_model(folder / "tiny-llama")
    save_dictionary(folder / "sae")
    return make_hostile_lake(folder, folder)
