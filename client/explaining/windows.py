"""Windows of tokens, with a feature's strength at each: what explainers and judges are shown."""

from dataclasses import dataclass
from typing import Literal

from saelake.store.errors import InvalidInput

# Where a window is from. The first two fire; the others are counterexamples.
Origin = Literal["strongest", "interval", "same words", "near", "alike", "random"]
FIRING: tuple[Origin, ...] = ("strongest", "interval")


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenWindow:
    """Tokens of a document from position `begin` on, and how strongly a feature fires at each.

    `tokens` joined are the document's text there: each begins with the white space before it, and
    one without characters of its own is empty. `strengths` are magnitudes, 0 where the feature is
    silent, and the token `peak` is the one for which the window was chosen. `interval` is which
    part of the feature's firing documents, by strength, the document is in, 0 the strongest;
    `beside` is the feature by which a counterexample was found. Raises `InvalidInput` for lengths
    that differ, and for strengths that say another thing than `origin`.
    """

    doc: int
    id: str
    begin: int
    tokens: tuple[str, ...]
    strengths: tuple[float, ...]
    peak: int
    origin: Origin
    interval: int | None = None
    beside: int | str | None = None

    def __post_init__(self) -> None:
        if len(self.tokens) != len(self.strengths) or not 0 <= self.peak < len(self.tokens):
            raise InvalidInput(
                f"A window has a strength for each token and a peak among them, not "
                f"{len(self.strengths)} for {len(self.tokens)}, and {self.peak}."
            )
        if self.fires != (self.origin in FIRING) or min(self.strengths) < 0:
            raise InvalidInput(
                f"A window of origin {self.origin!r} in document {self.id} has strengths up to "
                f"{self.max:g}."
            )

    @property
    def text(self) -> str:
        """The text of the window."""
        return "".join(self.tokens)

    @property
    def max(self) -> float:
        """The largest strength."""
        return max(self.strengths)

    @property
    def fires(self) -> bool:
        """Whether the feature fires here."""
        return self.max > 0
