"""Answers as values: JSON that a schema holds, or the reason why it cannot be read."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from saelake.language.prompts import Message, Prompt
from saelake.language.replies import Reply
from saelake.store.errors import InvalidInput, extra

FENCED = re.compile(r"```(?:json)?[ \t]*\n(.*?)```", re.DOTALL)
LONGEST_FAULT = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """Why an answer is no value."""

    reason: str


def read(reply: Reply, schema: Mapping[str, Any]) -> Any:
    """The JSON of an answer that the schema holds, or `Unreadable`.

    It is the whole text, or what stands in its one block of code, or from the first brace to the
    last: servers that cannot be held to JSON put words around it. NaN and Infinity are no JSON.
    """
    reason = "it is no JSON"
    for text in _places(reply.text):
        try:
            value = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            continue
        fault = _fault(value, schema)
        if fault is None:
            return value
        reason = fault
        break
    if reply.is_cut_off:
        return Unreadable(reason=f"it was cut off after {reply.n_completion_tokens} tokens")
    return Unreadable(reason=reason)


def by_schema(prompt: Prompt, reply: Reply) -> Any:
    """The JSON of an answer that its prompt's schema holds, or `Unreadable`; see `read`."""
    if prompt.schema is None:
        raise InvalidInput("This prompt has no schema to read its answer by.")
    return read(reply, prompt.schema)


def _places(text: str) -> Iterator[str]:
    """Where in a text its JSON can be, the likeliest first."""
    yield text
    blocks = FENCED.findall(text)
    if len(blocks) == 1:
        yield blocks[0]
    begin, end = text.find("{"), text.rfind("}")
    if 0 <= begin < end:
        yield text[begin : end + 1]


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _fault(value: Any, schema: Mapping[str, Any]) -> str | None:
    """What is wrong with a value, in one line; None where the schema holds it."""
    with extra("explain", "Reading answers"):
        from jsonschema import Draft202012Validator
        from jsonschema.exceptions import best_match
    try:
        worst = best_match(Draft202012Validator(schema).iter_errors(value))
    except RecursionError:
        return "it is too deep"
    if worst is None:
        return None
    at = "".join(f"[{step!r}]" for step in worst.absolute_path)
    said: str = f"{at or 'the answer'}: {worst.message}"
    return said if len(said) <= LONGEST_FAULT else f"{said[:LONGEST_FAULT]}…"


def told(prompt: Prompt, reply: Reply, fault: Unreadable) -> Prompt:
    """The prompt again, after the answer that could not be read and what was wrong with it."""
    ask = (
        f"This answer cannot be read: {fault.reason}. Answer again, with nothing but the answer "
        "in the form that was asked for."
    )
    return prompt.followed_by(
        Message(role="assistant", content=reply.text), Message(role="user", content=ask)
    )
