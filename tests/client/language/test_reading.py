"""Answers as values, or as what is wrong with them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.language.reading import Unreadable, read, told
from saelake.language.replies import Reply
from tests.client.language.models import prompt

SCHEMA = {
    "type": "object",
    "properties": {"fires": {"type": "array", "items": {"enum": [0, 1]}}},
    "required": ["fires"],
    "additionalProperties": False,
}


def reply(text: str, finish: str = "stop") -> Reply:
    return Reply(
        text=text,
        finish=finish,
        n_prompt_tokens=1,
        n_completion_tokens=9,
        cost=None,
        seconds=0.0,
        model="m",
    )


values = st.fixed_dictionaries({"fires": st.lists(st.sampled_from((0, 1)))})


@given(values, st.sampled_from(("{}", "```json\n{}\n```", "Well:\n```\n{}\n```\nYes", "So {}.")))
def test_a_value_is_read_from_what_servers_put_around_it(value: Any, around: str) -> None:
    assert read(reply(around.replace("{}", json.dumps(value))), SCHEMA) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.just("fires"), inner),
    max_leaves=4,
)


@given(st.text() | json_values.map(json.dumps))
def test_whatever_is_read_is_what_the_schema_holds(text: str) -> None:
    value = read(reply(text), SCHEMA)
    if not isinstance(value, Unreadable):
        assert list(value) == ["fires"]
        assert all(one in (0, 1) for one in value["fires"])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("I cannot.", "no JSON"),
        ("", "no JSON"),
        ('{"fires": [NaN]}', "no JSON"),
        ('{"fires": [2]}', "['fires'][0]: 2 is not one of [0, 1]"),
        ('{"fires": [], "more": 1}', "'more' was unexpected"),
        ("[]", "is not of type 'object'"),
        ("[" * 100_000, "no JSON"),
        ('{"fires": ' + "[" * 50_000, "no JSON"),
    ],
)
def test_what_is_wrong_with_an_answer_is_told(text: str, reason: str) -> None:
    fault = read(reply(text), SCHEMA)
    assert isinstance(fault, Unreadable)
    assert reason in fault.reason


def test_an_answer_that_was_cut_off_is_told_as_such() -> None:
    fault = read(reply('{"fires": [0, 1', finish="length"), SCHEMA)
    assert fault == Unreadable(reason="it was cut off after 9 tokens")
    assert read(reply('{"fires": [0]}', finish="length"), SCHEMA) == {"fires": [0]}


def test_a_long_fault_is_shortened() -> None:
    fault = read(reply(json.dumps({"fires": ["x" * 10_000]})), SCHEMA)
    assert isinstance(fault, Unreadable)
    assert len(fault.reason) < 400


def test_the_second_prompt_tells_the_fault() -> None:
    first = prompt("Does it fire?", schema=SCHEMA)
    second = told(first, reply("Maybe."), Unreadable(reason="it is no JSON"))
    assert [said.role for said in second.messages] == ["user", "assistant", "user"]
    assert "it is no JSON" in second.messages[-1].content
    assert (second.schema, second.max_tokens) == (first.schema, first.max_tokens)
    assert second.hash != first.hash
