"""What one request says to a language model, and its identity."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

from saelake.store.errors import InvalidInput

Role = Literal["system", "user", "assistant"]
MOST_LOGPROBS = 20  # what OpenAI's servers offer at most, of alternatives for a token


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What one side said. Raises `InvalidInput` for no role, and for text that UTF-8 has not."""

    role: Role
    content: str

    def __post_init__(self) -> None:
        if self.role not in get_args(Role):
            raise InvalidInput(f"A message is of {', '.join(get_args(Role))}: not {self.role!r}.")
        try:
            self.content.encode()
        except UnicodeEncodeError as error:
            raise InvalidInput("A message has half a character (a lone surrogate).") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """What one request says; two with one `hash` are one question, asked and paid for once.

    `schema` is the JSON schema of the answer, if that is to be JSON. `logprobs`: for how many
    alternatives of each token the log-probability is asked; None asks for none. To ask for a second
    answer to the same words, give another `seed`. Raises `InvalidInput`.
    """

    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float = 0.0
    schema: Mapping[str, Any] | None = None
    logprobs: int | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wrong = [said for is_wrong, said in self._checks() if is_wrong]
        if wrong:
            raise InvalidInput(f"A prompt {'; and '.join(wrong)}.")

    def _checks(self) -> tuple[tuple[bool, str], ...]:
        return (
            (not self.messages, "needs a message"),
            (self.max_tokens < 1, f"asks for a token or more, not {self.max_tokens}"),
            (
                not 0 <= self.temperature <= 2,
                f"has a temperature of 0 to 2, not {self.temperature}",
            ),
            (
                self.logprobs is not None and not 0 <= self.logprobs <= MOST_LOGPROBS,
                f"asks for 0 to {MOST_LOGPROBS} alternatives of a token, not {self.logprobs}",
            ),
        )

    @property
    def hash(self) -> str:
        """SHA-256 of all that it says, as 64 hexadecimal digits."""
        return hashlib.sha256(self.canonical().encode()).hexdigest()

    def canonical(self) -> str:
        """All that it says, as JSON with sorted keys: numbers that are equal are written alike."""
        said = {
            "messages": [[message.role, message.content] for message in self.messages],
            "max_tokens": self.max_tokens,
            "temperature": float(self.temperature),
            "schema": self.schema,
            "logprobs": self.logprobs,
            "seed": self.seed,
            "stop": list(self.stop),
        }
        return json.dumps(said, sort_keys=True, separators=(",", ":"), ensure_ascii=True)

    @property
    def n_characters(self) -> int:
        """Of all messages."""
        return sum(len(message.content) for message in self.messages)

    def followed_by(self, *messages: Message) -> "Prompt":
        """This prompt with more said after it: another question."""
        return replace(self, messages=(*self.messages, *messages))
