"""How many tokens prompts will take: the most that they can, and what is likely."""

import json
from dataclasses import dataclass, field

from saelake.language.amounts import PICO, Amount, Prices, amount
from saelake.language.prompts import Prompt

# A token of English is some four characters in the vocabularies of today's models, less where text
# is code or numbers. Only what no reply has measured yet is guessed by it.
CHARACTERS_PER_TOKEN = 3.5
# What a chat template adds to a message (its role and marks), and once to a conversation (a date, a
# default system message): more than those of the common open models.
TOKENS_OF_MESSAGE, TOKENS_OF_TEMPLATE = 16, 128


def most_prompt_tokens(prompt: Prompt) -> int:
    """What a prompt takes at most: no vocabulary has more tokens for a text than its UTF-8 bytes.

    With the schema, which some servers write into the prompt.
    """
    n_bytes = sum(len(message.content.encode()) for message in prompt.messages)
    schema = 0 if prompt.schema is None else len(json.dumps(prompt.schema))
    return n_bytes + schema + TOKENS_OF_MESSAGE * len(prompt.messages) + TOKENS_OF_TEMPLATE


def most(prompt: Prompt, prices: Prices | None) -> Amount:
    """What a request takes at most: the whole prompt, and an answer of `max_tokens`."""
    return amount(prices, most_prompt_tokens(prompt), prompt.max_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredTokens:
    """What the replies of a model took together, of every run."""

    n_replies: int = 0
    n_characters: int = 0
    n_prompt_tokens: int = 0
    n_completion_tokens: int = 0

    @property
    def characters_per_token(self) -> float:
        """Of prompts, with all that the server adds to them; 3.5 where nothing was measured."""
        if not self.n_prompt_tokens or not self.n_characters:
            return CHARACTERS_PER_TOKEN
        return self.n_characters / self.n_prompt_tokens

    def completion_tokens(self, max_tokens: int) -> float:
        """Of an answer: the mean so far, and `max_tokens` where nothing was measured."""
        if not self.n_replies:
            return float(max_tokens)
        return min(self.n_completion_tokens / self.n_replies, float(max_tokens))


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEstimate:
    """What asking some prompts would take, if none of them is asked in between.

    `n_cached` of `n_prompts` have a reply on disk and cost nothing, nor do repetitions. The tokens
    of the others are likely ones: the characters of prompts divided by `characters_per_token`, and
    answers of the mean length of this model's replies so far, or of `max_tokens` before there are
    any (`n_measured` is 0). `most` is what they take at most, which a budget would have to hold.
    """

    n_prompts: int
    n_cached: int
    n_requests: int
    n_prompt_tokens: int
    n_completion_tokens: int
    cost: float | None
    most: Amount
    characters_per_token: float
    n_measured: int

    @property
    def most_cost(self) -> float | None:
        """The most that they cost; None without prices."""
        return None if self.cost is None else self.most.pico / PICO


@dataclass(slots=True)
class Estimating:
    """The sum over prompts that would be asked."""

    measured: MeasuredTokens
    prices: Prices | None
    n_prompts: int = 0
    n_requests: int = 0
    prompt_tokens: float = 0.0
    completion_tokens: float = 0.0
    most: Amount = field(default_factory=Amount)

    def add(self, prompt: Prompt, *, is_asked: bool) -> None:
        """Count a prompt, and what it takes if it `is_asked`."""
        self.n_prompts += 1
        if is_asked:
            self.n_requests += 1
            self.prompt_tokens += prompt.n_characters / self.measured.characters_per_token
            self.completion_tokens += self.measured.completion_tokens(prompt.max_tokens)
            self.most += most(prompt, self.prices)

    def total(self) -> RunEstimate:
        """What was counted."""
        n_prompt, n_completion = round(self.prompt_tokens), round(self.completion_tokens)
        pico = amount(self.prices, n_prompt, n_completion).pico
        return RunEstimate(
            n_prompts=self.n_prompts,
            n_cached=self.n_prompts - self.n_requests,
            n_requests=self.n_requests,
            n_prompt_tokens=n_prompt,
            n_completion_tokens=n_completion,
            cost=None if self.prices is None else pico / PICO,
            most=self.most,
            characters_per_token=self.measured.characters_per_token,
            n_measured=self.measured.n_replies,
        )
