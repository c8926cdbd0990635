"""Every id of a model has a name: holes between ids, added tokens, and more ids than tokens."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from saelake.store.format.vocabulary import nameless, names_of
from saelake.workers.encoder.vocabulary import vocabulary


def holed(ids: dict[str, int]) -> Any:
    rust = Tokenizer(models.WordLevel(ids, "<unk>"))
    rust.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=rust, unk_token="<unk>")


def test_holes_and_ids_past_the_last_are_named_by_number() -> None:
    tokenizer = holed({"<unk>": 0, "fox": 2, "dog": 5})
    assert len(tokenizer) == 3
    assert vocabulary(tokenizer, None) == ["<unk>", "<id 1>", "fox", "<id 3>", "<id 4>", "dog"]
    assert vocabulary(tokenizer, 8)[5:] == ["dog", "<id 6>", "<id 7>"]


def test_added_tokens_are_named_also_where_the_model_lacks_them() -> None:
    tokenizer = holed({"<unk>": 0, "fox": 1})
    tokenizer.add_tokens(["<think>"])
    assert vocabulary(tokenizer, 2) == ["<unk>", "fox", "<think>"]


def test_a_token_that_decodes_to_nothing_is_called_as_the_tokenizer_calls_it() -> None:
    tokenizer = holed({"<unk>": 0, "▁": 1, "▁fox": 2})
    tokenizer.backend_tokenizer.decoder = decoders.Metaspace()
    assert vocabulary(tokenizer, None) == ["<unk>", "▁", "fox"]


@given(
    known=st.lists(st.text(max_size=3), max_size=8),
    ids=st.lists(st.integers(0, 12), max_size=20),
)
def test_names_of_ids_within_and_beyond(known: list[str], ids: list[int]) -> None:
    found = names_of(pa.array(known, pa.string()), np.array(ids, np.int64)).to_pylist()
    assert found == [known[i] if i < len(known) else nameless(i) for i in ids]


@pytest.mark.parametrize("n", [0, 1, 17])
def test_a_nameless_id_says_its_number(n: int) -> None:
    assert nameless(n) == f"<id {n}>"
