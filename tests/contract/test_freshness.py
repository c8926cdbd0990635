"""However busy a lake is, what changed is seen within a second, by every face."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread

import pytest

import saelake
from saelake.lake import Lake
from saelake.store.errors import NotFound
from saelake.store.growth.delete import delete_documents
from saelake.store.growth.drop import drop_target
from saelake.store.growth.replace import replace_dictionary
from tests.contract.conftest import made_anew
from tests.contract.faces import Faces
from tests.lakes import MadeLake, add_dictionary, add_documents, make_lake

PROMISED_S = 1.0
N_ASKERS = 3
Seen = tuple[tuple[int, float], ...]


@pytest.fixture(autouse=True, scope="module")
def seen_soon() -> None:
    """What is seen here is seen as soon as it is anywhere."""


@pytest.fixture
def made(place: Path) -> MadeLake:
    return made_anew(place, seed=3, settle_s=PROMISED_S)


@pytest.fixture(scope="module")
def opened(place: Path, face: str, faces: Faces) -> Iterator[Lake]:
    made_anew(place, seed=3)
    with faces.open(face, str(place)) as lake:
        yield lake


@pytest.fixture
def busy(opened: Lake, made: MadeLake) -> Lake:
    """The lake by a face, made anew."""
    return opened


@dataclass
class Asked:
    """What was answered, and when it was asked."""

    answers: list[tuple[float, Seen]] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)

    def after(self, moment: float) -> list[Seen]:
        """The answers to what was asked later than promised after a moment."""
        return [seen for asked, seen in self.answers if asked >= moment + PROMISED_S]


def ask(lake: Lake) -> Seen:
    return tuple((hit.doc, hit.value) for hit in lake["made/random"].tokens(3, k=None))


@contextmanager
def asked_without_pause(lake: Lake) -> Iterator[Asked]:
    """Threads that ask the same again and again, meanwhile."""
    found, done = Asked(), Event()

    def go_on() -> None:
        while not done.is_set():
            asked = time.monotonic()
            try:
                found.answers.append((asked, ask(lake)))
            except Exception as error:  # shown by the test
                found.failures.append(error)
                return

    threads = [Thread(target=go_on) for _ in range(N_ASKERS)]
    for thread in threads:
        thread.start()
    try:
        yield found
    finally:
        done.set()
        for thread in threads:
            thread.join(30)


@dataclass
class Changed:
    """The lake, changed again and again; each change gives `made/random` another answer."""

    made: MadeLake

    def delete(self) -> None:
        strongest = ask(saelake.connect(self.made.lake.uri))[0][0]
        delete_documents(self.made.lake, "made", ids=[f"d{strongest}"])

    def append(self) -> None:
        self.made = add_documents(self.made, 10)

    def replace(self) -> None:
        add_dictionary(self.made, "other", seed=9)
        replace_dictionary(self.made.lake, "random", "other")


def test_changes_are_seen_within_a_second_under_steady_load(busy: Lake, made: MadeLake) -> None:
    changed = Changed(made)
    with asked_without_pause(busy) as asked:
        for change in (changed.delete, changed.append, changed.replace):
            before = ask(saelake.connect(made.lake.uri))
            change()
            returned = time.monotonic()
            expected = ask(saelake.connect(made.lake.uri))
            assert expected != before
            time.sleep(PROMISED_S + 0.7)
            later = asked.after(returned)
            assert not asked.failures
            assert len(later) > 5
            assert set(later) == {expected}


def test_what_was_dropped_is_not_found_and_made_again_it_is(busy: Lake, made: MadeLake) -> None:
    assert ask(busy)
    drop_target(made.lake, "made")
    time.sleep(PROMISED_S)
    for _ in range(2):
        with pytest.raises(NotFound, match=r"no lake|no collection made/random"):
            ask(busy)
    make_lake(Path(made.lake.uri), n_documents=30, seed=4)
    assert ask(busy) == ask(saelake.connect(made.lake.uri))
