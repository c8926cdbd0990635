"""The sparse codes of a run of tokens."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenCodes:
    """The non-zero codes of `n_tokens` tokens, in coordinate form.

    Sorted by token, then by feature, both ascending; no pair occurs twice and no value is zero.

    Attributes:
        token: `(nnz,) int64`, in [0, n_tokens).
        feature: `(nnz,) int32`, in [0, d_sae).
        value: `(nnz,) float32`; negative only for a signed dictionary.
        n_tokens: how many tokens were encoded; a token may have no code.
    """

    token: Tensor
    feature: Tensor
    value: Tensor
    n_tokens: int

    @property
    def nnz(self) -> int:
        """How many codes there are."""
        return len(self.value)
