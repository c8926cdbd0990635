"""What servers answer, read with care: they differ in what they leave out."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from saelake.language.replies import TokenChances


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedAnswer:
    """An answer as it came; tokens are None where the server does not count them."""

    text: str
    finish: str
    model: str
    n_prompt_tokens: int | None
    n_completion_tokens: int | None
    logprobs: tuple[TokenChances, ...] | None


def received(body: bytes) -> ReceivedAnswer | None:
    """The first choice of a chat completion; None where the body is none."""
    try:
        said = json.loads(body)
        choice = said["choices"][0]
        text = choice["message"].get("content")
        finish = choice.get("finish_reason")
        if not isinstance(text, str | None) or not isinstance(finish, str | None):
            return None
        return ReceivedAnswer(
            text=text or "",
            finish=finish or "stop",
            model=str(said.get("model") or ""),
            n_prompt_tokens=_count(said.get("usage"), "prompt_tokens"),
            n_completion_tokens=_count(said.get("usage"), "completion_tokens"),
            logprobs=_logprobs(choice.get("logprobs")),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None


def _count(usage: Any, name: str) -> int | None:
    counted = usage.get(name) if isinstance(usage, Mapping) else None
    is_count = isinstance(counted, int) and not isinstance(counted, bool) and counted >= 0
    return counted if is_count else None


def _logprobs(said: Any) -> tuple[TokenChances, ...] | None:
    if not isinstance(said, Mapping) or said.get("content") is None:
        return None
    return tuple(_chances(said["content"]))


def _chances(tokens: Any) -> Iterator[TokenChances]:
    for said in tokens:
        alternatives = tuple(
            (str(other["token"]), float(other["logprob"]))
            for other in said.get("top_logprobs") or ()
        )
        yield TokenChances(
            token=str(said["token"]), logprob=float(said["logprob"]), alternatives=alternatives
        )
