"""What a user chooses of how activations become rows. This needs no torch, which takes seconds."""

from dataclasses import dataclass
from typing import Literal, get_args

from saelake.store.errors import InvalidInput
from saelake.store.format.sampling import TokenSample

OnError = Literal["skip", "fail"]
Quantization = Literal["int8", "fp8", "bnb-8bit", "bnb-4bit"]
KeptDtypeChoice = Literal["auto", "float16", "bfloat16"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeepOptions:
    """Which activations to keep: a share of all tokens, the same for the same seed.

    `dtype` auto is the model's own where that has 16 bits; else float16, or bfloat16 where the
    corpus's first activations come near float16's limit of 65,504.
    """

    fraction: float = 1.0
    seed: int = 0
    dtype: KeptDtypeChoice = "auto"

    def __post_init__(self) -> None:
        if self.dtype not in get_args(KeptDtypeChoice):
            choices = ", ".join(get_args(KeptDtypeChoice))
            raise InvalidInput(f"Activations are kept as {choices}, not {self.dtype!r}.")
        _ = self.sample

    @property
    def sample(self) -> TokenSample:
        """The tokens to keep."""
        return TokenSample(fraction=self.fraction, seed=self.seed)
