"""Analyses on a terminal."""

import pytest

from saelake.cli.show.analyses import typed


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ("q < .05 may follow length; try control=length.", "; try --control length."),
        ("q < .05 may follow length; try control=length().", "; try --control 'length()'."),
    ],
)
def test_advice_is_as_it_is_typed(note: str, said: str) -> None:
    assert typed(note).endswith(said)
