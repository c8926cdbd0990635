"""The Dockerfile is one that hadolint passes, of what this checkout has."""

import re
import shlex
import subprocess
import sysconfig
import tomllib
from pathlib import Path
from typing import Any

import yaml
from dockerfile_parse import DockerfileParser

from tests.deploy.commands import DEPLOY, ROOT, shown

FILE = DEPLOY / "Dockerfile"
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
LINES = DockerfileParser(str(FILE)).structure
HADOLINT = Path(sysconfig.get_path("scripts")) / "hadolint"


def values(instruction: str) -> list[str]:
    return [line["value"] for line in LINES if line["instruction"] == instruction]


def lint(path: Path) -> subprocess.CompletedProcess[str]:
    command = [str(HADOLINT), "--no-color", "--failure-threshold", "style", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_hadolint_finds_nothing() -> None:
    run = lint(FILE)
    assert (run.returncode, run.stdout) == (0, "")


def test_hadolint_finds_what_is_wrong(tmp_path: Path) -> None:
    wrong = tmp_path / "Dockerfile"
    wrong.write_text(FILE.read_text().replace("--no-cache-dir", "").replace("ENTRYPOINT", "ENTRY"))
    assert lint(wrong).returncode == 1


def test_all_that_is_copied_is_in_the_checkout() -> None:
    sources = [source for value in values("COPY") for source in value.split()[:-1]]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    packed = {folder.partition("/")[0] for folder in package_folders()}
    assert packed | {"pyproject.toml", "constraints.txt"} <= set(sources)
    assert {PROJECT["project"]["readme"], *PROJECT["project"]["license-files"]} <= set(sources)


def package_folders() -> list[str]:
    return list(PROJECT["tool"]["setuptools"]["package-dir"].values())


def test_its_python_is_one_that_saelake_supports() -> None:
    images = [value.split(" ")[0] for value in values("FROM")]
    versions = {re.fullmatch(r"python:(3\.\d+)-slim-\w+", image) for image in images}
    (minor,) = {found[1] for found in versions if found}
    assert None not in versions
    supported = f"Programming Language :: Python :: {minor}"
    assert supported in PROJECT["project"]["classifiers"]


def installs() -> list[str]:
    """The commands by which the image, a machine and a reader install saelake."""
    cluster = yaml.safe_load((DEPLOY / "ray-cluster.yaml").read_text())
    page = shown((DEPLOY / "README.md").read_text())
    commands = [*values("RUN"), *cluster["setup_commands"], *page]
    return [command for command in commands if "pip install" in command]


def test_what_is_installed_are_extras_of_saelake_at_pinned_versions() -> None:
    extras = re.findall(r"(?:saelake|whl\)|'\.)\[([\w,]+)\]", " ".join(installs()))
    assert extras == ["ray,metrics,traces", "ray", "ray"]
    named = {name for each in extras for name in each.split(",")}
    assert named <= set(PROJECT["project"]["optional-dependencies"])
    for command in installs():
        assert re.search(r"--constraints? \S*constraints\.txt ", command), command


def test_it_runs_saelake_and_not_as_root() -> None:
    (user,) = values("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    (entrypoint,) = map(shlex.split, values("ENTRYPOINT"))
    assert yaml.safe_load(entrypoint[0]) == list(PROJECT["project"]["scripts"])
    assert values("VOLUME") == [DockerfileParser(str(FILE)).envs["HF_HOME"]]
