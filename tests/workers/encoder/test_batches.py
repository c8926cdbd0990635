import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.store.errors import InvalidInput
from saelake.workers.encoder.batches import MAX_PADDING, Window, batches, cut_windows
from saelake.workers.encoder.tokens import TokenisedDocument, TokenSettings

CLS, SEP = 1, 2


def document(n: int, *, framed: bool = False, first_id: int = 10) -> TokenisedDocument:
    """`n` tokens of text with ids that count up, between CLS and SEP if `framed`."""
    content = np.arange(first_id, first_id + n, dtype=np.int32)
    framed = framed and n > 0
    ids = np.concatenate([[CLS], content, [SEP]]).astype(np.int32) if framed else content
    return TokenisedDocument(
        token_ids=ids,
        starts=np.arange(len(ids), dtype=np.uint32),
        lengths=np.ones(len(ids), np.uint16),
        prefix=np.array([CLS], np.int32),
        suffix=np.array([SEP], np.int32),
        n_leading=int(framed),
        n_trailing=int(framed),
    )


def sequence(window: Window) -> list[int]:
    return [*window.prefix, *window.content, *window.suffix]


def test_a_short_document_is_one_window() -> None:
    (window,) = cut_windows([document(3)], TokenSettings(window=5))
    assert sequence(window) == [CLS, 10, 11, 12, SEP]
    assert (window.keep_from, window.keep_to, window.position, len(window)) == (1, 4, 0, 5)


def test_a_long_document_is_cut_with_an_overlap() -> None:
    windows = cut_windows([document(0), document(8)], TokenSettings(window=6, overlap=2))
    assert [sequence(window)[1:-1] for window in windows] == [
        [10, 11, 12, 13],
        [12, 13, 14, 15],
        [14, 15, 16, 17],
    ]
    kept = [sequence(window)[window.keep_from : window.keep_to] for window in windows]
    assert kept == [[10, 11, 12, 13], [14, 15], [16, 17]]
    assert [window.position for window in windows] == [0, 4, 6]
    assert {window.document for window in windows} == {1}


def test_stored_special_tokens_are_kept_at_the_ends_of_the_document() -> None:
    windows = cut_windows([document(5, framed=True)], TokenSettings(window=4))
    kept = [sequence(window)[window.keep_from : window.keep_to] for window in windows]
    assert kept == [[CLS, 10, 11], [12, 13], [14, SEP]]
    assert [window.position for window in windows] == [0, 3, 5]


SETTINGS = st.integers(3, 12).flatmap(
    lambda window: st.builds(
        TokenSettings, window=st.just(window), overlap=st.integers(0, window - 3)
    )
)


@given(n=st.integers(0, 40), framed=st.booleans(), settings=SETTINGS)
def test_each_token_is_kept_where_it_has_the_most_context(
    n: int, framed: bool, settings: TokenSettings
) -> None:
    doc = document(n, framed=framed)
    windows = cut_windows([doc], settings)
    stride = settings.window - 2 - settings.overlap
    kept: dict[int, int] = {}
    for number, window in enumerate(windows):
        assert (
            window.content.tolist()
            == doc.content.tolist()[number * stride :][: settings.window - 2]
        )
        assert len(window) <= settings.window
        for offset, token in enumerate(sequence(window)[window.keep_from : window.keep_to]):
            assert doc.token_ids[window.position + offset] == token
            assert window.position + offset not in kept
            kept[window.position + offset] = number
    assert sorted(kept) == list(range(len(doc)))
    for position, token in enumerate(doc.token_ids.tolist()):
        holding = [i for i, window in enumerate(windows) if token in window.content]
        if holding:  # the first window that holds a token has the most text before it
            assert kept[position] == holding[0]


def test_a_window_without_room_is_refused() -> None:
    with pytest.raises(InvalidInput, match="room for 1 of text"):
        cut_windows([document(5)], TokenSettings(window=3, overlap=1))


@given(
    lengths=st.lists(st.integers(0, 30), max_size=25),
    framed=st.booleans(),
    settings=SETTINGS,
    budget=st.integers(1, 60),
)
def test_batches_hold_every_token_once(
    lengths: list[int], framed: bool, settings: TokenSettings, budget: int
) -> None:
    documents = [document(n, framed=framed, first_id=100 * i) for i, n in enumerate(lengths, 1)]
    windows = cut_windows(documents, settings)
    places: list[tuple[int, int]] = []
    rows = 0
    for batch in batches(windows, budget):
        n_rows, length = batch.input_ids.shape
        rows += n_rows
        assert n_rows == 1 or n_rows * length <= budget
        padding = batch.attention_mask.size - batch.attention_mask.sum()
        assert padding <= MAX_PADDING * budget
        assert not batch.keep[batch.attention_mask == 0].any()
        assert (np.diff(batch.attention_mask, axis=1) <= 0).all()
        assert batch.n_kept == batch.keep.sum()
        found = zip(batch.document.tolist(), batch.position.tolist(), strict=True)
        for (index, position), token in zip(found, batch.input_ids[batch.keep], strict=True):
            assert documents[index].token_ids[position] == token
            places.append((index, position))
    assert rows == len(windows)
    expected = [(index, i) for index, doc in enumerate(documents) for i in range(len(doc))]
    assert sorted(places) == expected


def test_batches_have_the_types_that_torch_takes() -> None:
    (batch,) = batches(cut_windows([document(3), document(2)], TokenSettings(window=9)), 100)
    assert batch.input_ids.tolist() == [[CLS, 10, 11, 12, SEP], [CLS, 10, 11, SEP, 0]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 1, 0]]
    assert batch.document.tolist() == [0, 0, 0, 1, 1]
    assert batch.position.tolist() == [0, 1, 2, 0, 1]
    assert batch.input_ids.dtype == batch.attention_mask.dtype == np.int64
    assert batch.keep.dtype == np.bool_
    assert (batch.document.dtype, batch.position.dtype) == (np.dtype("i4"), np.dtype("i8"))


def test_batches_go_from_the_longest_to_the_shortest() -> None:
    windows = cut_windows([document(n) for n in (3, 9, 5, 9)], TokenSettings(window=20))
    found = list(batches(windows, 22))
    assert [batch.input_ids.shape for batch in found] == [(2, 11), (2, 7)]
    assert [sorted(set(batch.document.tolist())) for batch in found] == [[1, 3], [0, 2]]


def test_no_windows_make_no_batches() -> None:
    assert list(batches(cut_windows([document(0)], TokenSettings(window=9)), 100)) == []


def test_padding_is_small_on_documents_of_many_lengths() -> None:
    rng = np.random.default_rng(0)
    lengths = np.minimum(rng.lognormal(5, 1, 2_000), 5_000).astype(int)
    windows = cut_windows([document(n) for n in lengths], TokenSettings(window=512))
    found = list(batches(windows, 8_192))
    computed = sum(batch.input_ids.size for batch in found)
    assert computed < 1.03 * sum(map(len, windows))
    assert len(found) < 1.1 * computed / 8_192 + 8
