"""What servers refuse is asked otherwise, and only that."""

import pytest

from saelake.language.dialects import Dialect
from tests.client.language.models import prompt

SCHEMA = {"type": "object"}
# As OpenAI, vLLM, llama.cpp and others say it.
LIMIT = (
    "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
    "'max_completion_tokens' instead."
)
TOO_LONG = (
    "'max_tokens' or 'max_completion_tokens' is too large: 5000. This model's maximum context "
    "length is 4096 tokens and your request has 3000 input tokens."
)
TEMPERATURE = (
    "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) "
    "value is supported."
)


def test_a_form_is_made_simpler_until_there_is_none() -> None:
    first = Dialect()
    second = first.after(
        400, "response_format of type json_schema is unknown", prompt("x", schema=SCHEMA)
    )
    assert second == Dialect(form="json_object")
    third = second.after(422, "response_format: extra_forbidden", prompt("x", schema=SCHEMA))
    assert third == Dialect(form="none")
    assert third.after(400, "response_format again", prompt("x", schema=SCHEMA)) is None


def test_each_refusal_changes_what_it_names() -> None:
    said = prompt("x")
    assert Dialect().after(400, LIMIT, said) == Dialect(limit="max_completion_tokens")
    assert Dialect().after(400, TEMPERATURE, said) == Dialect(has_temperature=False)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, TOO_LONG),
        (400, "You said a bad word."),
        (500, LIMIT),
        (404, "unknown response_format"),
    ],
)
def test_what_is_refused_for_another_reason_is_not_asked_otherwise(status: int, said: str) -> None:
    assert Dialect().after(status, said, prompt("x", schema=SCHEMA)) is None


def test_a_form_is_no_matter_of_a_prompt_without_one() -> None:
    assert Dialect().after(400, "response_format", prompt("x")) is None


def test_a_body_says_what_the_prompt_does_and_nothing_else() -> None:
    plain = Dialect().body("m", prompt("x", max_tokens=7))
    assert plain == {
        "model": "m",
        "messages": [{"role": "user", "content": "x"}],
        "max_tokens": 7,
        "temperature": 0.0,
    }
    full = Dialect(limit="max_completion_tokens", has_temperature=False).body(
        "m", prompt("x", schema=SCHEMA, logprobs=5, seed=3, stop=("\n",))
    )
    assert full["response_format"]["json_schema"]["schema"] == SCHEMA
    assert (full["logprobs"], full["top_logprobs"], full["seed"]) == (True, 5, 3)
    assert (full["stop"], full["max_completion_tokens"]) == (["\n"], 20)
    assert not {"temperature", "max_tokens"} & set(full)
    assert "response_format" not in Dialect(form="none").body("m", prompt("x", schema=SCHEMA))
