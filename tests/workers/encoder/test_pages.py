"""Pages: every token of every document once, in bounded pieces."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from saelake.store.format.schema import MAX_PART_TOKENS
from saelake.workers.encoder.pages import Page, pages
from saelake.workers.encoder.tokens import TokenSettings
from tests.tiny import WORDS, save_model


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("model")
    return AutoTokenizer.from_pretrained(save_model(folder, bert=True))


def made(
    tokenizer: Any,
    lengths: Sequence[int],
    page_tokens: int,
    settings: TokenSettings,
    first_doc: int = 0,
) -> list[Page]:
    """Pages of documents of so many words, in batches of three."""
    docs = list(range(first_doc, first_doc + len(lengths)))
    texts = [" ".join(WORDS[4 + (i + n) % 60] for i in range(n)) for n in lengths]
    batches = [(docs[i : i + 3], texts[i : i + 3]) for i in range(0, len(docs), 3)]
    return list(pages(batches, tokenizer, settings, page_tokens=page_tokens))


def kept_tokens(page: Page) -> dict[int, list[tuple[int, int]]]:
    """(position, token id) of the tokens that the windows keep, by part, in order."""
    found: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for window in page.windows:
        sequence = [*window.prefix, *window.content, *window.suffix]
        kept = sequence[window.keep_from : window.keep_to]
        found[window.document] += enumerate(map(int, kept), start=window.position)
    return {part: sorted(tokens) for part, tokens in found.items()}


SETTINGS = st.integers(4, 12).flatmap(
    lambda window: st.builds(
        TokenSettings,
        window=st.just(window),
        overlap=st.integers(0, window - 3),
        max_tokens=st.one_of(st.none(), st.integers(1, 20)),
        special_tokens=st.booleans(),
    )
)


@given(
    lengths=st.lists(st.integers(0, 40), max_size=10),
    page_tokens=st.integers(1, 60),
    settings=SETTINGS,
)
@hypothesis_settings(max_examples=60, deadline=None)
def test_windows_keep_each_token_of_each_part_once(
    tokenizer: Any, lengths: list[int], page_tokens: int, settings: TokenSettings
) -> None:
    found = made(tokenizer, lengths, page_tokens, settings, first_doc=5)
    parts = [part for page in found for part in page.parts]
    assert [(part.doc, part.part) for part in parts] == [(5 + i, 0) for i in range(len(lengths))]
    frame = 2 if settings.special_tokens else 0
    for part, length in zip(parts, lengths, strict=True):
        n_text = min(length, settings.max_tokens or length)
        assert len(part.token_ids) == (n_text + frame if n_text else 0)
    for page in found:
        kept = kept_tokens(page)
        for index, part in enumerate(page.parts):
            assert kept.get(index, []) == list(enumerate(part.token_ids.tolist()))
        assert all(len(window) <= settings.window for window in page.windows)
        assert page.n_tokens == sum(len(part.token_ids) for part in page.parts)
        longest = max((len(part.token_ids) for part in page.parts), default=0)
        assert page.n_tokens < page_tokens + longest or page.n_tokens == 0
    assert all(page.n_tokens >= page_tokens for page in found[:-1])


@pytest.mark.parametrize("overlap", [0, 8])
def test_a_very_long_document_has_numbered_parts(tokenizer: Any, overlap: int) -> None:
    settings = TokenSettings(window=32, overlap=overlap)
    n_tokens = 2 * MAX_PART_TOKENS + 3
    found = made(tokenizer, [2, n_tokens, 2], 1000, settings)
    parts = [part for page in found for part in page.parts]
    assert [(part.doc, part.part, len(part.token_ids)) for part in parts] == [
        (0, 0, 2),
        (1, 0, MAX_PART_TOKENS),
        (1, 1, MAX_PART_TOKENS),
        (1, 2, 3),
        (2, 0, 2),
    ]
    for page in found:
        kept = kept_tokens(page)
        for index, part in enumerate(page.parts):
            assert kept[index] == list(enumerate(part.token_ids.tolist()))
    assert len(found) == 3  # a page ends with the part that fills it


def test_the_tokens_of_two_parts_are_read_with_the_same_windows(tokenizer: Any) -> None:
    """A border between parts changes no activation: both sides run the window it lies in."""
    settings = TokenSettings(window=32)
    (whole,) = made(tokenizer, [MAX_PART_TOKENS + 40], 10**9, settings)
    before, after = (
        [window for window in whole.windows if window.document == index] for index in (0, 1)
    )
    shared = before[-1]
    assert (shared.content == after[0].content).all()
    assert shared.keep_to == after[0].keep_from
