"""The identity of a prompt, and what it refuses."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.language.prompts import Message, Prompt
from saelake.store.errors import InvalidInput
from tests.client.language.models import prompt

roles = st.sampled_from(("system", "user", "assistant"))
messages = st.builds(Message, role=roles, content=st.text(max_size=5))
prompts = st.builds(
    Prompt,
    messages=st.lists(messages, min_size=1, max_size=3).map(tuple),
    max_tokens=st.integers(1, 3),
    temperature=st.sampled_from((0.0, 0.5)),
    schema=st.sampled_from((None, {"type": "object"}, {"type": "array"})),
    logprobs=st.sampled_from((None, 0, 5)),
    seed=st.sampled_from((None, 0, 1)),
    stop=st.lists(st.sampled_from(("a", "b")), max_size=2).map(tuple),
)


@given(prompts, prompts)
def test_two_prompts_have_one_hash_if_they_are_equal(a: Prompt, b: Prompt) -> None:
    assert (a.hash == b.hash) == (a == b)


def test_a_hash_is_kept_over_releases() -> None:
    known = "885c583fb6a609f8404de5c791bbb9979b7fcfacc030e60e1d282d2bf2b45435"
    assert prompt("What is this?", seed=1).hash == known


def test_the_order_of_a_schema_is_no_part_of_a_prompt() -> None:
    a = prompt("x", schema={"type": "object", "required": ["a"]})
    assert a.hash == prompt("x", schema={"required": ["a"], "type": "object"}).hash


def test_a_whole_temperature_is_a_temperature() -> None:
    assert prompt("x", temperature=1).hash == prompt("x", temperature=1.0).hash


def test_words_that_move_to_the_next_message_are_another_prompt() -> None:
    ab, c = Message(role="user", content="ab"), Message(role="user", content="c")
    a, bc = Message(role="user", content="a"), Message(role="user", content="bc")
    one = Prompt(messages=(ab, c), max_tokens=1)
    assert one.hash != replace(one, messages=(a, bc)).hash


@pytest.mark.parametrize(
    "wrong",
    [{"max_tokens": 0}, {"temperature": 3}, {"temperature": float("nan")}, {"logprobs": 21}],
)
def test_a_prompt_that_no_server_takes_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="A prompt"):
        prompt("x", **wrong)


def test_every_fault_of_a_prompt_is_told() -> None:
    with pytest.raises(InvalidInput, match=r"needs a message; and .*token or more"):
        Prompt(messages=(), max_tokens=0)


def test_half_a_character_is_refused() -> None:
    with pytest.raises(InvalidInput, match="surrogate"):
        prompt("\ud800")
