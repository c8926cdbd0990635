"""Tokens and money, in whole numbers; what a run may take, and what it took."""

import re
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import cache

from saelake.store.errors import InvalidInput

# Money is counted in 1e-12 of the currency: a price of 0.0375 for a million tokens is 37,500 for
# each, so that sums are exact in any order; 64 bits hold nine million of the currency.
PICO = 10**12
MILLION = 10**6
_BUDGET = re.compile(r"(\d+(?:\.\d+)?)\s*([kKmM]?)\s*(tokens?)?", re.ASCII)
_FACTORS = {"": 1, "k": 1000, "m": MILLION}


@dataclass(frozen=True, slots=True, kw_only=True)
class Amount:
    """Tokens, of prompts and answers together, and money in 1e-12 of the currency."""

    n_tokens: int = 0
    pico: int = 0

    def __add__(self, other: "Amount") -> "Amount":
        return Amount(n_tokens=self.n_tokens + other.n_tokens, pico=self.pico + other.pico)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Of a million tokens of prompts, and of answers, in any one currency."""

    prompt: float
    completion: float

    def __post_init__(self) -> None:
        if not (0 <= self.prompt < MILLION and 0 <= self.completion < MILLION):
            raise InvalidInput(
                f"Prices of a million tokens are 0 or more: not {self.prompt}, {self.completion}."
            )

    @classmethod
    def parse(cls, text: str) -> "Prices":
        """Those in `0.15/0.60`: of a million tokens of prompts, and of answers."""
        prompt, slash, completion = text.partition("/")
        try:
            if slash:
                return cls(prompt=float(prompt), completion=float(completion))
        except ValueError as error:
            if isinstance(error, InvalidInput):
                raise
        raise InvalidInput(f"{text!r} is no price: write PROMPT/COMPLETION, as 0.15/0.60.")

    def cost(self, n_prompt_tokens: int, n_completion_tokens: int) -> int:
        """In 1e-12 of the currency; a price with more digits than that has is rounded up."""
        return n_prompt_tokens * _each(self.prompt) + n_completion_tokens * _each(self.completion)


@cache
def _each(of_a_million: float) -> int:
    each = Decimal(str(of_a_million)) * PICO / MILLION
    return int(each.to_integral_value(rounding=ROUND_CEILING))


def amount(prices: Prices | None, n_prompt_tokens: int, n_completion_tokens: int) -> Amount:
    """What so many tokens are together; without prices they cost nothing."""
    pico = 0 if prices is None else prices.cost(n_prompt_tokens, n_completion_tokens)
    return Amount(n_tokens=n_prompt_tokens + n_completion_tokens, pico=pico)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The most that a run may take: money in the currency of the prices, tokens; None for any."""

    money: float | None = None
    tokens: int | None = None

    def __post_init__(self) -> None:
        if (self.money is not None and not self.money >= 0) or (self.tokens or 0) < 0:
            raise InvalidInput("A budget is 0 or more, of money or of tokens.")

    @classmethod
    def parse(cls, text: str) -> "Budget":
        """That in `5.00`, in the currency of the prices, or in `2000000 tokens`, also 2M tokens."""
        found = _BUDGET.fullmatch(text.strip())
        if found is None:
            raise InvalidInput(
                f"{text!r} is no budget: write 5.00, in the currency of --price, or 2M tokens."
            )
        number, factor, of_tokens = found.groups()
        if of_tokens:
            return cls(tokens=int(Decimal(number) * _FACTORS[(factor or "").lower()]))
        if factor:
            raise InvalidInput(f"{text!r} is no budget: of what? Tokens are 2M tokens.")
        return cls(money=float(number))

    def holds(self, taken: Amount) -> bool:
        """Whether so much may be taken together."""
        most = None if self.money is None else int(Decimal(str(self.money)) * PICO)
        return (most is None or taken.pico <= most) and (
            self.tokens is None or taken.n_tokens <= self.tokens
        )

    def __str__(self) -> str:
        money = [] if self.money is None else [f"{self.money:g}"]
        tokens = [] if self.tokens is None else [f"{self.tokens:,} tokens"]
        return " and ".join(money + tokens) or "no limit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a run took: of requests that were answered, and of those whose answer never came.

    What the latter took is not known: `lost` is the most that it can be. A server may have answered
    them, and counted them; those that it refused are not among them.
    """

    n_requests: int = 0
    n_prompt_tokens: int = 0
    n_completion_tokens: int = 0
    pico: int = 0
    n_lost: int = 0
    lost: Amount = Amount()

    @property
    def cost(self) -> float:
        """Of what was answered, in the currency of the prices."""
        return self.pico / PICO

    @property
    def n_tokens(self) -> int:
        """Of what was answered."""
        return self.n_prompt_tokens + self.n_completion_tokens

    @property
    def at_most(self) -> Amount:
        """All together: what a budget is held against."""
        return Amount(n_tokens=self.n_tokens, pico=self.pico) + self.lost

    def __str__(self) -> str:
        requests = "1 request" if self.n_requests == 1 else f"{self.n_requests:,} requests"
        said = f"{requests}, {self.n_tokens:,} tokens"
        said += f", cost {self.cost:.6g}" if self.pico else ""
        if not self.n_lost:
            return said
        money = f", cost {self.lost.pico / PICO:.6g}" if self.lost.pico else ""
        lost = f"at most {self.lost.n_tokens:,} tokens{money}"
        return f"{said}; and {self.n_lost:,} whose answer never came ({lost})"
