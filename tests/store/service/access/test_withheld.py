"""What those who may use some corpora learn of the rest by what they are refused: nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import saelake
from saelake.lake import Lake
from saelake.store.errors import InvalidInput, NotFound, PermissionDenied, SaelakeError
from saelake.store.lake.jobs import JobLog, JobRecord
from saelake.store.lake.lake import CollectionName
from saelake.store.lake.lake import Lake as StoredLake
from saelake.store.lake.states import LakeState
from saelake.store.requests.commands.labels import (
    DeleteLabelsCommand,
    NewLabel,
    SetLabelsCommand,
)
from saelake.store.requests.tokens import TokensQuery
from saelake.store.service.access.protection import Access
from saelake.store.service.access.withheld import withheld
from saelake.store.service.caller import Caller
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.lakes import make_lake
from tests.served import ALL
from tests.store.service.access.serving import OPEN, ask, connected, issue

TIME = "2026-11-21T10:00:00+00:00"
Served = tuple[str, BackgroundServer, str, str]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A lake, a server of it, a token for one corpus, and one for all."""
    folder = tmp_path_factory.mktemp("withheld") / "lake"
    make_lake(folder, n_documents=20, name=CollectionName("secret", "hidden"))
    uri = make_lake(folder, n_documents=20).lake.uri
    saelake.connect(uri).tag("q3-layoffs")
    tokens = tmp_path_factory.mktemp("tokens") / "tokens.json"
    limited, free = issue(tokens, "ana", "admin", "made"), issue(tokens, "bo", "admin")
    settings = ServerSettings(
        uri=uri, address=Address(port=0), access=Access(tokens=tokens), allowed=ALL
    )
    with BackgroundServer(settings) as running:
        yield uri, running, limited, free


def refusal(lake: Lake, at: str) -> SaelakeError:
    """How a question of a state is refused."""
    with pytest.raises(SaelakeError) as refused:
        ask(lake.as_of(at), TokensQuery(collection=OPEN, expression="1"))
    return refused.value


def test_a_tag_that_there_is_not_tells_of_no_other_and_of_no_place(served: Served) -> None:
    uri, running, limited, free = served
    with connected(running, limited) as lake:
        for at in ("nix", str(LakeState(at="nix"))):
            assert refusal(lake, at).message == "the lake has no tag 'nix'."
        with pytest.raises(NotFound) as gone:
            ask(lake, TokensQuery(collection="made/none", expression="1"))
        assert uri not in f"{gone.value} {gone.value.data}"
        assert ask(lake.as_of("q3-layoffs"), TokensQuery(collection=OPEN, expression="1"))
    with connected(running, free) as lake:
        assert refusal(lake, "nix").message == f"{uri} has no tag 'nix'. Tags: q3-layoffs."


def test_a_state_of_other_corpora_is_refused_whether_there_are_any(served: Served) -> None:
    _, running, limited, _ = served
    with connected(running, limited) as lake:
        said = {
            refusal(lake, str(LakeState(at=TIME, tables={table: pin}))).message
            for table in ("secret", "nix", "secret--hidden.codes", "nix--hidden.codes")
            for pin in ("0", "2.00000000")
        }
        assert said == {"ana may not use all that this state is of."}
        found = lake[OPEN].tokens(1)
        assert found.state is not None
        assert lake.as_of(found.state)[OPEN].tokens(1).to_arrow() == found.to_arrow()


def test_another_s_job_is_as_one_that_there_is_not(served: Served) -> None:
    uri, running, limited, free = served
    JobLog(StoredLake(uri)).write(JobRecord(id="nightly", kind="index", corpus="secret"))
    with connected(running, limited) as lake:
        for job in ("nightly", "none"):
            with pytest.raises(NotFound, match=f"There is no job '{job}'. See"):
                lake.cancel_job(job)
            with pytest.raises(NotFound, match=f"There is no job '{job}'. See"):
                next(iter(lake.watch_job(job)))
    with connected(running, free) as lake:
        assert next(iter(lake.watch_job("nightly"))).corpus == "secret"


def labels(dictionary: str) -> SetLabelsCommand:
    return SetLabelsCommand(dictionary=dictionary, labels=(NewLabel(feature=1, label="rain"),))


def test_a_dictionary_is_labelled_by_who_may_use_every_corpus_of_it(served: Served) -> None:
    _, running, limited, free = served
    with connected(running, limited) as lake:
        for dictionary in ("hidden", "nix"):
            with pytest.raises(PermissionDenied, match="that needs every corpus"):
                lake.transport.tell(labels(dictionary))
            with pytest.raises(PermissionDenied, match="that needs every corpus"):
                lake.transport.tell(DeleteLabelsCommand(dictionary=dictionary))
        assert lake.transport.tell(labels("random")).n_labels == 1
    with connected(running, free) as lake:
        assert lake.transport.tell(labels("hidden")).n_labels == 1


def test_automatic_labels_need_every_corpus_of_the_dictionary_too(
    tmp_path: Path,
) -> None:
    """They are seen by all who use it, and score the labels of others."""
    made = make_lake(tmp_path / "lake", n_documents=20)
    make_lake(tmp_path / "lake", n_documents=20, name=CollectionName("secret", "random"))
    tokens = tmp_path / "tokens.json"
    limited, both = issue(tokens, "ana", "encode", "made"), issue(tokens, "bo", "encode")
    settings = ServerSettings(
        uri=made.lake.uri, address=Address(port=0), access=Access(tokens=tokens), allowed=ALL
    )
    with BackgroundServer(settings) as running:
        with connected(running, limited) as lake:
            with pytest.raises(PermissionDenied, match="that needs every corpus"):
                lake.start_label("made/random")
            for start in (lake.start_label, lake.start_project, lake.start_index):
                with pytest.raises(PermissionDenied, match="may not use the corpus secret"):
                    start("secret/random")
            with pytest.raises(PermissionDenied, match="may not use the corpus secret"):
                lake.start_embed("secret")
            with pytest.raises(InvalidInput, match="nothing here that runs jobs"):
                lake.start_embed("made")
        with connected(running, both) as lake:
            with pytest.raises(InvalidInput, match="nothing here that runs jobs"):
                lake.start_label("made/random")
            with pytest.raises(PermissionDenied, match="needs the right admin"):
                lake.repair("made/random")


def test_who_may_use_some_corpora_repairs_those(served: Served) -> None:
    _, running, limited, free = served
    with connected(running, limited) as lake:
        assert lake.repair("made/random") == []
        for what, said in (("secret/hidden", "the corpus secret"), (None, "the whole lake")):
            with pytest.raises(PermissionDenied, match=said):
                lake.repair(what)
    with connected(running, free) as lake:
        assert lake.repair() == []


def test_a_lake_that_is_called_by_a_word_leaves_words_as_they_are(tmp_path: Path) -> None:
    ana = Caller(name="ana", corpora=frozenset(["a"]))
    error = NotFound("There is no lake. Collections: b/x.", lake="lake")
    assert withheld(error, ana, "lake").message == "There is no lake."
    place = f"There is none in {tmp_path}/lake."
    assert withheld(InvalidInput(place), ana, f"{tmp_path}/lake/").message == (
        "There is none in the lake."
    )
