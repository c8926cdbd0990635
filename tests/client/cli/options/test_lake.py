"""Options that several commands have, as they are typed."""

import pytest

from saelake.cli.options.lake import split_names


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        (None, ()),
        (["length"], ("length",)),
        (["length, source", "author"], ("length", "source", "author")),
        (['"a,b",source'], ('"a,b"', "source")),
        ([""], ("",)),
    ],
)
def test_names_are_split_at_commas_outside_of_quotes(
    typed: list[str] | None, names: tuple[str, ...]
) -> None:
    assert split_names(typed) == names
