"""The commands of deploy/README.md are ones that the programs take."""

import re

import pytest

from tests.deploy.commands import DEPLOY, ROOT, of_programs, read, shown

PAGE = (DEPLOY / "README.md").read_text()
COMMANDS = of_programs(shown(PAGE))


def test_the_page_shows_both_programs() -> None:
    named = {" ".join(words[:2]) for words in COMMANDS}
    assert named >= {"saelake import", "saelake encode", "saelake index", "ray up", "ray exec"}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_of_the_page_is_taken(words: list[str]) -> None:
    assert read(words)


def test_a_command_with_an_option_that_is_not_there_is_not() -> None:
    for words in (["saelake", "encode", "x", "--gpus", "8"], ["ray", "up", "x.yaml", "--gpus"]):
        with pytest.raises(Exception, match="No such option"):
            read(words)


def test_links_and_files_of_the_page_are_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", PAGE)
    files = re.findall(r"deploy/[A-Za-z.-]+", PAGE)
    assert {"ray-cluster.yaml", "Dockerfile", "ray-job.yaml"} <= set(links)
    for path in [*(DEPLOY / link for link in links), *(ROOT / file for file in files)]:
        assert path.exists(), path
