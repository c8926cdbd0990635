"""A name has one meaning over the whole package, and a docstring can be read alone."""

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping

import pytest

import saelake
from tests.floors import files

# The same thing, as its user holds it and as the store does: the reason why both go by its name.
TWO_SIDES: Mapping[str, str] = {
    "Lake": "the client's asks an engine or a server; the store's says where its tables are",
    "Collection": "the client's asks about a collection; the store's is one snapshot of it",
}


def classes() -> Iterator[tuple[str, str]]:
    """Each class of the package: its name without leading underscores, and its file."""
    for place, path in files().items():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                yield node.name.lstrip("_"), place


def test_no_two_classes_have_one_name() -> None:
    homes: defaultdict[str, list[str]] = defaultdict(list)
    for name, place in classes():
        homes[name].append(place)
    assert {name: places for name, places in homes.items() if len(places) > 1} == {
        name: homes[name] for name in TWO_SIDES
    }


@pytest.mark.parametrize("name", TWO_SIDES)
def test_a_name_of_two_sides_is_the_clients_and_the_stores(name: str) -> None:
    sides = sorted(place.partition("/")[0] for found, place in classes() if found == name)
    assert sides == ["client", "store"]


def docstrings() -> Iterator[tuple[str, str]]:
    """Each docstring of the package, and where it stands."""
    kinds = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    for place, path in files().items():
        for node in ast.walk(ast.parse(path.read_text())):
            said = ast.get_docstring(node) if isinstance(node, kinds) else None
            if said is not None:
                yield f"{place}: {getattr(node, 'name', 'the file')}", said


def test_a_docstring_is_read_without_the_one_before() -> None:
    assert [at for at, said in docstrings() if said.startswith(("The same", "See the class"))] == []


def test_a_former_name_still_works() -> None:
    assert saelake.Activations is saelake.FeatureCodes  # type: ignore[attr-defined]
    assert "Activations" not in dir(saelake)
