"""What a language model answered, or why it did not."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

CUT_OFF = "length"  # what OpenAI's servers call the end by `max_tokens`


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenChances:
    """A token of an answer: its log-probability, and those of others that could have come.

    Natural logarithms. The alternatives are sorted as the server did, the likeliest first.
    """

    token: str
    logprob: float
    alternatives: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What was answered, what it took, and by which model.

    `finish` is why it ended, as the server says: "stop", "length" where `max_tokens` cut it off,
    "content_filter", …. `cost` is what was paid when it was asked, in the currency of the prices;
    None without prices. `seconds` are those of the request that was answered. `model` is what the
    server says that it is. `is_cached`: it was on disk, and nothing was asked or paid. Where a
    server counts no tokens, `is_counted` is False, and the numbers are the most that it could be.
    """

    text: str
    finish: str
    n_prompt_tokens: int
    n_completion_tokens: int
    cost: float | None
    seconds: float
    model: str
    is_cached: bool = False
    is_counted: bool = True
    logprobs: tuple[TokenChances, ...] | None = None

    @property
    def is_cut_off(self) -> bool:
        """Whether `max_tokens` ended it."""
        return self.finish == CUT_OFF

    def as_json(self) -> dict[str, Any]:
        """What is kept of it: values that JSON has."""
        return asdict(self)

    @classmethod
    def of_json(cls, kept: Mapping[str, Any], *, is_cached: bool) -> "Reply":
        """The reply that `as_json` gave."""
        chances = kept["logprobs"]
        read = None if chances is None else tuple(map(_chances, chances))
        return cls(**{**kept, "logprobs": read, "is_cached": is_cached})


def _chances(kept: Mapping[str, Any]) -> TokenChances:
    alternatives = tuple((token, logprob) for token, logprob in kept["alternatives"])
    return TokenChances(token=kept["token"], logprob=kept["logprob"], alternatives=alternatives)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """That the last attempt at a prompt failed too. Nothing is kept of it: a later run asks again.

    `status` is the HTTP status, None where there was none.
    """

    reason: str
    status: int | None = None
