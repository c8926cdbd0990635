"""What a notebook shows, through IPython itself."""

import io
from contextlib import redirect_stdout

import pytest
from IPython.core.formatters import DisplayFormatter
from IPython.core.interactiveshell import InteractiveShell

import saelake
from saelake.collection import Collection
from saelake.lake import Lake
from saelake.store.errors import NotFound
from tests.client.answers.pages import Tags
from tests.lakes import MadeLake

NAME = "made/random"


def shown(value: object) -> Tags:
    """The HTML that a notebook shows of a value."""
    formats, _ = DisplayFormatter().format(value)
    return Tags(formats["text/html"])


def test_a_lake_says_what_is_in_it(lake: Lake) -> None:
    for text in (repr(lake), shown(lake).text):
        assert NAME in text
        assert "60 documents" in text


def test_a_collection_says_what_is_in_it(lake: Lake) -> None:
    narrowed = lake[NAME].where("label = 'pos'")
    for text in (repr(narrowed), shown(narrowed).text):
        assert f"<Collection {NAME} where label = 'pos'>" in text
        assert f"a part of {NAME}, of which all is counted here" in text
        assert "60 documents" in text
    for text in (repr(lake[NAME]), shown(lake[NAME]).text):
        assert "a part of" not in text


def test_a_collection_that_is_not_there_says_so(lake: Lake) -> None:
    missing: Collection = lake["made/none"]
    for text in (repr(missing), shown(missing).text):
        assert "There is no collection made/none" in text


def test_a_feature_is_shown_alike_wherever_it_was_asked_for(lake: Lake, embedded: Lake) -> None:
    view = lake[NAME].feature(3).show(k=4, near=0, together=2)
    assert view._repr_html_() == embedded[NAME].show(3, 4, together=2)._repr_html_()
    text = shown(view).text
    assert f"Feature 3 of {NAME}" in text
    assert "Strongest documents" in text


def test_clusters_without_a_map_say_how_to_make_one(lake: Lake) -> None:
    with pytest.raises(NotFound, match="saelake project made/random"):
        lake[NAME].cluster(2).map()


def test_a_mistake_is_told_in_a_line(made: MadeLake) -> None:
    shell = InteractiveShell.instance(colors="nocolor", history_length=0)
    try:
        shell.user_ns["lake"] = saelake.connect(made.lake.uri)
        printed = io.StringIO()
        with redirect_stdout(printed):
            shell.run_cell(f"lake['{NAME}'].tokens('3 &')")
    finally:
        InteractiveShell.clear_instance()
    assert "InvalidExpression" in printed.getvalue()
    assert len(printed.getvalue().strip().splitlines()) == 1, "no way through our code"
