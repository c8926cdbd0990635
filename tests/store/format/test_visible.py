"""Text of others is shown without a character that commands or misleads."""

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from saelake.store.format.visible import escaped, on_one_line

HOSTILE = st.text(st.characters(exclude_categories=()), max_size=40)


@given(HOSTILE)
def test_what_is_shown_has_no_controls_and_can_be_written(text: str) -> None:
    shown = on_one_line(text)
    shown.encode()
    assert not [c for c in shown if unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp")]
    assert not [c for c in shown if unicodedata.bidirectional(c) in ("LRO", "RLO", "LRI", "RLI")]
    assert len(shown.splitlines()) <= 1


def test_line_ends_stay_where_lines_are_shown() -> None:
    assert escaped("a\n\tb\x1b[2J") == "a\n\tb\\u001b[2J"
    assert on_one_line("a\nb\u202e") == "a\\u000ab\\u202e"


@given(st.text("abc äß日本 1,.", max_size=40))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert on_one_line(text) == text
