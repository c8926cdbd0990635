"""Replies that are read, and those that are not: every one with a reason, and none guessed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.explaining import replies
from saelake.explaining.explainers import EXPLANATION
from saelake.explaining.simulating import SIMULATED
from saelake.language.reading import Unreadable
from saelake.language.replies import TokenChances

jsonschema = pytest.importorskip("jsonschema")


@given(st.text(max_size=80), st.integers(1, 6))
def test_garbage_never_raises(text: str, n: int) -> None:
    for read in (
        replies.explanation(text),
        replies.explanation_in_json(text),
        replies.choices(text, n),
        replies.intruder(text, n),
        replies.simulated(text, n),
    ):
        assert isinstance(read, Unreadable | str | tuple | int)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "0 times"),
        ("[EXPLANATION]: a\n[EXPLANATION]: b", "2 times"),
        ("[EXPLANATION]:   \n", "empty"),
        ("[EXPLANATION]: " + "a" * 4001, "4,001 characters"),
    ],
)
def test_an_explanation_must_stand_once_and_say_something(text: str, reason: str) -> None:
    read = replies.explanation(text)
    assert isinstance(read, Unreadable)
    assert reason in read.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[1, 0", "0 lists"),
        ("[1, 0] or [0, 1]", "2 lists"),
        ("[1, 2]", "0 and 1"),
        ("[1, 'a']", "0 and 1"),
        ("[1, 0.0]", "0 and 1"),
        ("[1]", "1 answers for 2"),
        ("[1, 0, 1]", "3 answers for 2"),
    ],
)
def test_choices_must_be_one_list_of_as_many_answers(text: str, reason: str) -> None:
    read = replies.choices(text, 2)
    assert isinstance(read, Unreadable)
    assert reason in read.reason
    assert replies.choices("```python\n[True, False]\n```", 2) == (True, False)


@pytest.mark.parametrize("text", ["[RESPONSE]: 5", "[RESPONSE]: -1", "[RESPONSE]: 1 or 2", "1", ""])
def test_an_intruder_must_be_one_of_the_examples(text: str) -> None:
    assert isinstance(replies.intruder(text, 5), Unreadable)


def test_json_is_read_in_a_fence_and_nothing_beside_it() -> None:
    said = json.dumps({"explanation": " Weather. "})
    assert replies.explanation_in_json(said) == "Weather."
    assert replies.explanation_in_json(f"```json\n{said}\n```") == "Weather."
    for text in (
        f"Sure: {said}",
        "[]",
        '{"explanation": 3}',
        '{"explanation": "a", "b": 1}',
        "NaN",
    ):
        assert isinstance(replies.explanation_in_json(text), Unreadable)
    assert isinstance(replies.explanation_in_json("[" * 100_000), Unreadable)


def simulated(*values: object) -> str:
    rows = [{"token": "a", "activation": value} for value in values]
    return json.dumps({"to_find": "x", "document": "a", "activations": rows})


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (simulated(1), "1 activations for 2"),
        (simulated(1, 11), "0 to 10"),
        (simulated(1, -1), "0 to 10"),
        (simulated(1, "3"), "0 to 10"),
        (simulated(1, []), "0 to 10"),
        (simulated(*[1, True]), "0 to 10"),
        (simulated(1, None), "0 to 10"),
        ('{"activations": [1, 2]}', "0 to 10"),
        ('{"activations": 3}', "no activations"),
        ("{}", "no activations"),
    ],
)
def test_a_simulation_must_have_a_strength_for_every_token(text: str, reason: str) -> None:
    """delphi takes these for zeros, which score a simulator that does not answer."""
    read = replies.simulated(text, 2)
    assert isinstance(read, Unreadable)
    assert reason in read.reason


def test_what_the_schemas_take_can_be_read() -> None:
    jsonschema.validate(json.loads(simulated(0, 10)), SIMULATED)
    jsonschema.validate({"explanation": "a"}, EXPLANATION)
    for schema in (SIMULATED, EXPLANATION):
        jsonschema.Draft202012Validator.check_schema(schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(simulated(11)), SIMULATED)


def test_expected_values_stand_for_the_numbers_where_chances_came() -> None:
    text = simulated(3, 0)
    chances = []
    for piece in text.replace(": 3", ": |3|").replace(": 0", ": |0|").split("|"):
        number = piece.isdigit()
        others = ((piece, -0.5), ("10", -0.5)) if number else ()
        chances.append(TokenChances(token=piece, logprob=-0.5, alternatives=others))
    assert replies.simulated(text, 2, chances) == pytest.approx((6.5, 5.0))
    assert replies.simulated(text, 2, chances[:2]) == (3.0, 0.0)


def test_an_expected_value_is_of_numbers_to_ten() -> None:
    assert replies.expected_value({"2": 0.0, "4": 0.0, "11": 0.0, "x": 0.0}) == 3
    assert replies.expected_value({"x": -1.0}) is None
    assert replies.expected_value({}) is None
