"""Every command and every piece of Python that README and the guide show is one that works."""

import itertools
import re
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path

import pytest

import saelake
from saelake.store.errors import InvalidFilter
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.texts import JOB_PROGRAM, model_texts
from tests.client.cli.command import run
from tests.deploy.commands import ROOT, read
from tests.docs.not_run import ONLY_PARSED, OTHER_PROGRAMS
from tests.docs.pages import PAGES, Shown, name_of, shown
from tests.docs.working_folder import N_DOCUMENTS, copied, make_working_folder
from tests.served import ALL

SERVER = "localhost:50051"  # what pages call the server of the lake
EVERYTHING = [each for page in PAGES for each in shown(page)]
MAKEFILE = (ROOT / "Makefile").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def working_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_working_folder(tmp_path_factory.mktemp("pages"))


class Reader:
    """Somebody who types what a page shows, in the folder of a page."""

    def __init__(self, folder: Path, servers: ExitStack) -> None:
        self._folder = folder
        self._servers = servers
        self._names: dict[str, object] = {}

    @cached_property
    def _server(self) -> str:
        settings = ServerSettings(
            uri=str(self._folder / "lake"),
            address=Address(port=0),
            texts=model_texts(),
            allowed=ALL,
            job_program=JOB_PROGRAM,
        )
        return str(self._servers.enter_context(BackgroundServer(settings)).address)

    def _with_server(self, text: str) -> str:
        return text.replace(SERVER, self._server) if SERVER in text else text

    def types(self, each: Shown) -> None:
        """Run it. Fails where it fails."""
        if not each.words:
            exec(compile(self._with_server(each.text), str(each), "exec"), self._names)
            return
        ran = run(*map(self._with_server, each.words[1:]))
        assert ran.code == 0, f"{each}\n{ran.err}"


@pytest.fixture
def reader(
    working_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Reader]:
    for variable in ("SAELAKE_LAKE", "SAELAKE_SERVER", "SAELAKE_TOKEN"):
        monkeypatch.delenv(variable, raising=False)
    folder = copied(working_folder, tmp_path / "folder")
    monkeypatch.chdir(folder)
    with ExitStack() as servers:
        yield Reader(folder, servers)


def reasons_not_to_run(each: Shown) -> list[str]:
    """Patterns in it for which it is only parsed."""
    said = " ".join(each.words) or re.sub(r"(?m)#.*$", "", each.text)
    return [pattern for pattern in ONLY_PARSED if re.search(pattern, said)]


def other_program(each: Shown) -> str | None:
    """How a command of another program begins."""
    said = " ".join(each.words)
    return next((start for start in OTHER_PROGRAMS if f"{said} ".startswith(f"{start} ")), None)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_what_a_page_shows_works(page: Path, reader: Reader) -> None:
    for each in shown(page):
        if each.words and each.words[0] != "saelake":
            assert other_program(each), f"{each}: is neither run nor named in not_run.py"
        elif not reasons_not_to_run(each):
            reader.types(each)
        elif each.words:
            assert read(list(each.words)), each
        else:
            compile(each.text, str(each), "exec")


def test_no_reason_is_left_over() -> None:
    programs = {other_program(each) for each in EVERYTHING if each.words}
    assert set(OTHER_PROGRAMS) - programs == set()
    words = {word for each in EVERYTHING for word in reasons_not_to_run(each)}
    assert set(ONLY_PARSED) - words == set()


def commands_of(program: str) -> list[Shown]:
    return [
        each for each in EVERYTHING if each.words[: len(program.split())] == (*program.split(),)
    ]


@pytest.mark.parametrize("each", commands_of("make"), ids=str)
def test_a_target_that_a_page_names_is_there(each: Shown) -> None:
    targets = [word for word in each.words[1:] if "=" not in word]
    assert all(re.search(rf"^{target}:", MAKEFILE, re.MULTILINE) for target in targets)


@pytest.mark.parametrize("each", commands_of("pip install"), ids=str)
def test_an_extra_that_a_page_names_is_there(each: Shown) -> None:
    named = re.findall(r"(?:saelake|\.)\[([\w,]+)\]", " ".join(each.words))
    extras = itertools.chain.from_iterable(extra.split(",") for extra in named)
    assert set(extras) <= set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("each", commands_of("pytest"), ids=str)
def test_a_test_that_a_page_names_is_there(each: Shown) -> None:
    paths = [word for word in each.words[1:] if word.startswith("tests/")]
    assert all((ROOT / path.partition("::")[0]).exists() for path in paths)


def filters(heading: str) -> list[str]:
    """The predicates in the table of a section of the page about filters."""
    page = (ROOT / "docs/guide/filters.md").read_text()
    table = page.partition(f"## {heading}")[2].partition("\n\n##")[0]
    rows = [row for row in table.splitlines() if row.startswith("| ")][2:]
    examples = [found for row in rows for found in re.findall(r"`([^`]+)`", row)]
    return [example for example in examples if example not in ("AND", "OR", "NOT")]


def test_a_filter_that_the_page_shows_is_one(working_folder: Path) -> None:
    reviews = saelake.connect(working_folder / "lake")["reviews/l4"]
    shown_there = filters("Literals and comparisons")
    assert len(shown_there) > 10
    for predicate in shown_there:
        reviews.embeddings(predicate).read_all()
    for alike in ("Rating >= 8", '"rating" >= 8', "`rating` >= 8", "rating > 7.5"):
        kept = reviews.embeddings(alike).read_all()
        assert kept.num_rows == reviews.embeddings("rating >= 8").read_all().num_rows


def test_what_the_page_says_of_filters_holds(working_folder: Path) -> None:
    reviews = saelake.connect(working_folder / "lake")["reviews/l4"]
    kept = {
        where: reviews.embeddings(where).read_all().num_rows
        for where in ("label = 'pos'", "\"label\" = 'pos'", "\"film title\" = 'Film 3'")
    }
    assert 0 < kept["label = 'pos'"] == kept["\"label\" = 'pos'"] < N_DOCUMENTS
    assert 0 < kept["\"film title\" = 'Film 3'"] < N_DOCUMENTS
    for refused in (
        "label = 'pos' adn rating > 8",
        "'label' = 'pos'",
        "label = NULL",
        "rating = '8'",
        "1 < rating < 5",
        "published > '2024-01-31 10:00:00+01:00'",
    ):
        with pytest.raises(InvalidFilter):
            reviews.embeddings(refused)


def test_what_is_missing_is_neither(working_folder: Path) -> None:
    reviews = saelake.connect(working_folder / "lake")["reviews/l4"]
    with_genre = reviews.embeddings("genre IS NOT NULL").read_all().num_rows
    either = reviews.embeddings("genre = 'drama' OR genre != 'drama'").read_all().num_rows
    assert either == with_genre < N_DOCUMENTS


def test_a_command_that_does_not_exist_fails(reader: Reader) -> None:
    wrong = Shown(PAGES[0], 1, "saelake fly", ("saelake", "fly"))
    with pytest.raises(AssertionError, match="No such command"):
        reader.types(wrong)
    with pytest.raises(Exception, match="No such option"):
        read(["saelake", "tokens", "a/b", "1", "--wings", "2"])
