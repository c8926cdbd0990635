"""What is asked of a language model: messages, and how the reply is to be."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one side says."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """Messages, and how the reply is to be: its longest length, and a schema where it is JSON."""

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 0.0
    schema: Mapping[str, Any] | None = None
    logprobs: int | None = None
    seed: int | None = None
