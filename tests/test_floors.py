"""Each wing imports only wings below it, and each library is spoken in one place."""

import sys
import tomllib
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter

import pytest

from tests.floors import (
    CLIENT,
    PAGE,
    ROOT,
    SPEAKERS,
    WINGS,
    arrows,
    files,
    imported_place,
    imports,
    libraries,
    table,
    wing_of,
)

FLOOR = {wing: number for number, wing in enumerate(WINGS)}
# The base install is a client: these are its dependencies, as modules.
BASE = {"numpy", "pyarrow", "grpc", "grpc_status", "google", "typer", "rich"}
# What runs where there is no storage: the encoder, and the floors that it stands on.
ENCODER = {"workers/encoder", "workers/dictionaries", "store/format", "store/errors"}
ENCODER_LIBRARIES = {"torch", "transformers", "numpy", "pyarrow"} | {
    # what only large models need
    "accelerate",
    "bitsandbytes",
    "torchao",
    # what these four bring
    "huggingface_hub",
    "safetensors",
    "tokenizers",
    "typing_extensions",
    "yaml",
}
# Loaded only where the lake is: it needs more than a client has.
AT_THE_LAKE = {"client/cli/demo/run"}
# What only the page needs.
WEB = {
    "fastapi",
    "starlette",
    "pydantic",
    "pydantic_core",
    "jinja2",
    "markupsafe",
    "uvicorn",
    "mcp",
}
PLOTS = {"altair"}  # what only plots need
LANGUAGE = {"openai", "httpx2"}  # what only asking a language model needs
MOST_ENTRIES = 20


def test_no_import_goes_up() -> None:
    up = [(a, b) for a, b in arrows() if FLOOR[wing_of(a)] > FLOOR[wing_of(b)]]
    assert up == []


def test_no_circle() -> None:
    graph: dict[str, set[str]] = {}
    for place, to in arrows():
        graph.setdefault(place, set()).add(to)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"A circle of imports: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("library", SPEAKERS)
def test_a_library_is_spoken_in_one_place(library: str) -> None:
    speakers = {place for place in files() if library in libraries(place)}
    homes = SPEAKERS[library]
    assert speakers
    assert {p for p in speakers if not f"{p}/".startswith(tuple(f"{h}/" for h in homes))} == set()


@pytest.mark.parametrize("place", [p for p in files() if wing_of(p) in ENCODER])
def test_the_encoder_stands_on_little(place: str) -> None:
    allowed = sys.stdlib_module_names | ENCODER_LIBRARIES
    if wing_of(place).startswith("store/"):
        allowed = sys.stdlib_module_names | {"numpy", "pyarrow"}
    assert libraries(place) <= allowed
    assert {wing_of(to) for a, to in arrows() if a == place} <= ENCODER


def at_once(place: str, seen: set[str]) -> Iterator[str]:
    """The libraries that are loaded with a file, by itself and by what it imports."""
    if place in seen:
        return
    seen.add(place)
    for imported in imports(place):
        if imported.at_once:
            to = imported_place(imported.module)
            if to is None:
                yield imported.module.partition(".")[0]
            else:
                yield from at_once(to, seen)


@pytest.mark.parametrize("place", [p for p in files() if p.startswith("client")])
def test_the_base_install_loads_only_what_it_has(place: str) -> None:
    allowed = BASE | WEB if place.startswith("client/web") else BASE
    allowed = allowed | PLOTS if place.startswith("client/answers/plots") else allowed
    allowed = allowed | LANGUAGE if place == "client/language/speaking" else allowed
    loaded = set(at_once(place, set())) - sys.stdlib_module_names
    assert (loaded <= allowed) == (place not in AT_THE_LAKE)


@pytest.mark.parametrize("folder", ["store", "workers", "client"])
def test_a_floor_is_read_at_a_glance(folder: str) -> None:
    entries = [p for p in (ROOT / folder).iterdir() if not p.name.startswith("__")]
    assert len(entries) <= MOST_ENTRIES


def test_every_wing_is_there_and_every_package_in_the_wheel() -> None:
    assert {wing_of(place) for place in files()} == set(WINGS)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packed = project["tool"]["setuptools"]["packages"]
    packages = [place for place, path in files().items() if path.name == "__init__.py"]
    named = ["saelake/" + place.removeprefix(CLIENT).removeprefix("/") for place in packages]
    assert sorted(packed) == sorted(name.rstrip("/").replace("/", ".") for name in named)


def test_the_table_in_contributing_is_current() -> None:
    _, _, rest = PAGE.read_text().partition("<!-- floors -->")
    shown, _, _ = rest.partition("<!-- /floors -->")
    assert shown.strip() == table(), "Renew it: python -m tests.floors --write"
