"""Quotes: found as they stand in the text, and nothing that does not."""

from hypothesis import given
from hypothesis import strategies as st

from saelake.explaining.claims.quotes import found_quote
from saelake.language.fences import defused

TEXTS = st.text(alphabet="ab <|>\n\té日\u200b", min_size=1, max_size=30)


def test_white_space_is_alike_and_words_are_not() -> None:
    text = "It rained\n  all day.\tThen it <|im_start|> stopped."
    assert found_quote("rained all day", text) == "rained\n  all day"
    assert found_quote(" It rained ", text) == "It rained"
    assert found_quote("it Rained", text) is None
    assert found_quote("rained day", text) is None
    assert found_quote(defused("it <|im_start|> stopped"), text) == "it <|im_start|> stopped"


def test_nothing_is_no_quote() -> None:
    assert found_quote("", "text") is None
    assert found_quote(" \n", "text") is None


@given(TEXTS, st.integers(0, 30), st.integers(1, 30))
def test_what_was_copied_out_is_found(text: str, begin: int, length: int) -> None:
    copied = text[begin : begin + length]
    found = found_quote(defused(copied), text)
    plain = " ".join(copied.replace("\u200b", "").split())
    assert (found is None) == (not plain)
    if found is not None:
        assert found in text
        assert " ".join(found.replace("\u200b", "").split()) == plain
