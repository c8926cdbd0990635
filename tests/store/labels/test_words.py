"""Which word each token is of, and how much of a feature's activation each word holds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saelake.store.labels import masses as masses_module
from saelake.store.labels.masses import WordMasses, coverage
from saelake.store.labels.words import WORD, Vocabulary

texts = st.text(alphabet="ab Bé'’-_.日\n", max_size=30)


def plain_word(text: str, start: int, length: int) -> str:
    """The first word that ends behind a token's start, if it begins before the token's end."""
    for word in WORD.finditer(text):
        if word.end() > start:
            if word.start() < start + length:
                return word.group().lower()
            break
    return text[start : start + length].strip()


@settings(max_examples=300, deadline=None)
@given(text=texts, data=st.data())
def test_a_token_is_of_the_word_that_it_touches(text: str, data: st.DataObject) -> None:
    spans = st.tuples(st.integers(0, len(text)), st.integers(0, 4))
    tokens = data.draw(st.lists(spans, max_size=8))
    starts = np.array([start for start, _ in tokens], np.uint32)
    lengths = np.array([length for _, length in tokens], np.uint16)
    vocabulary = Vocabulary()
    vocabulary.number("before")
    found = vocabulary.of_tokens(text, starts, lengths)
    said = [vocabulary.words[number] for number in found.tolist()]
    assert said == [plain_word(text, start, length) for start, length in tokens]
    assert len(set(vocabulary.words)) == len(vocabulary)


values = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 9), st.sampled_from([-2.0, 0.5, 1.0, 4.0])),
    max_size=60,
)


@settings(max_examples=100, deadline=None)
@given(values=values, waiting=st.sampled_from([1, 7, 1000]), n_parts=st.integers(1, 4))
def test_masses_are_sums_of_magnitudes(
    values: list[tuple[int, int, float]], waiting: int, n_parts: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(masses_module, "WAITING", waiting)
        masses = WordMasses()
        for part in range(n_parts):
            some = np.array(values[part::n_parts], np.float64).reshape(-1, 3)
            masses.add(some[:, 0].astype(np.uint32), some[:, 1].astype(np.int64), some[:, 2])
        for feature in range(8):
            expected: dict[int, float] = {}
            for f, word, value in values:
                if f == feature:
                    expected[word] = expected.get(word, 0) + abs(value)
            words, mass = masses.of(feature)
            assert dict(zip(words.tolist(), mass.tolist(), strict=True)) == expected
            assert words.tolist() == sorted(expected)
            heaviest = sorted(expected, key=lambda w: (-expected[w], w))[:3]
            assert masses.heaviest(feature, 3).tolist() == heaviest
            share = coverage((masses, WordMasses()), feature, np.array([1, 4, 99]))
            on = sum(mass for word, mass in expected.items() if word in (1, 4))
            assert share == (on / sum(expected.values()) if expected else None)
