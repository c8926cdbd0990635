"""What the tests of the command line share: lakes to ask, a server, and models to encode with."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.client.cli.command import asked, run
from tests.lakes import MadeLake, make_lake
from tests.tiny import save_corpus, save_dictionary, save_model

HOSTILE_ID = "a\x1b]0;title\x07b\u202e"
HOSTILE = "w1 w2 \x1b[31mred\x1b[0m [bold]w3[/bold] [/]\r\n\tw4\x9b2J w5 w6"


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    return make_lake(tmp_path_factory.mktemp("cli") / "lake", n_documents=60, n_indexed=3)


@pytest.fixture(scope="session")
def server(made: MadeLake) -> Iterator[str]:
    """The address of a server of that lake."""
    with BackgroundServer(ServerSettings(uri=made.lake.uri, address=Address(port=0))) as serving:
        yield str(serving.address)


@pytest.fixture(scope="session")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model `tiny-llama`, dictionaries `sae` and `other`, and a corpus."""
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "tiny-llama")
    save_dictionary(folder / "sae")
    save_dictionary(folder / "other", seed=1)
    save_corpus(folder / "some words.parquet", 30, longest=10)
    return folder


def longest(made: MadeLake) -> str:
    """The id of the document with the most tokens."""
    return f"d{max(range(len(made.words)), key=lambda doc: len(made.words[doc]))}"


@dataclass(frozen=True, slots=True)
class HostileLake:
    """A lake whose texts, ids, metadata and tokens are out to drive a terminal."""

    uri: str
    feature: str


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory, parts: Path) -> HostileLake:
    return make_hostile_lake(tmp_path_factory.mktemp("hostile"), parts)


def make_hostile_lake(folder: Path, parts: Path) -> HostileLake:
    """The lake, by the model `tiny-llama` and the dictionary `sae` of a folder."""
    rows = folder / "rows.jsonl"
    row = {"id": HOSTILE_ID, "text": HOSTILE, "note": "\x1b[2J[red]x[/red]\n"}
    rows.write_text(json.dumps(row) + "\n")
    uri = str(folder / "lake")
    model, dictionary = str(parts / "tiny-llama"), str(parts / "sae")
    ran = run("ingest", str(rows), "--lake", uri, "--model", model, "--dictionary", dictionary)
    assert ran.code == 0, ran.err
    document = json.loads(asked("document", "rows/sae", "--doc", "0", "--lake", uri, "-f", "json"))
    strongest = max(zip(document["max"], document["features"], strict=True))[1]
    return HostileLake(uri, str(strongest))
