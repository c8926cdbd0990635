"""Evidence for a feature: windows that an explainer is shown, and others to score what it says."""

from dataclasses import dataclass, fields

from saelake.explaining.windows import TokenWindow
from saelake.store.errors import InvalidInput
from saelake.store.format.sampling import HELD_BACK


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceOptions:
    """How much evidence there is to be.

    Shown are the `n_strongest` documents, `n_per_interval` of each of `n_intervals` parts of the
    firing documents by strength, and `n_counter` counterexamples. To be scored with are `n_scored`
    firing documents, spread over the intervals, and `n_scored_counter` counterexamples, all of them
    held back. Counterexamples are shared out evenly to the origins that there are: `n_near`
    features near by decoder, and with `together` as many that fire in the same documents; with
    `alike` documents near the strongest by their dense embeddings. A window has `n_tokens` tokens.
    Raises `InvalidInput`, of everything that is wrong.
    """

    n_strongest: int = 10
    n_intervals: int = 10
    n_per_interval: int = 1
    n_counter: int = 8
    n_scored: int = 20
    n_scored_counter: int = 20
    n_near: int = 2
    together: bool = False
    alike: bool = False
    n_tokens: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = [f.name for f in fields(self) if getattr(self, f.name) < 0]
        wrong += [name for name in ("n_intervals", "n_tokens") if getattr(self, name) == 0]
        if wrong:
            raise InvalidInput(f"Evidence needs more than that: {', '.join(wrong)}.")


# For features of whole documents: passages, of which fewer fit into a prompt.
PASSAGES = EvidenceOptions(
    n_strongest=5, n_intervals=5, n_counter=5, n_scored=10, n_scored_counter=10, n_tokens=256
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureEvidence:
    """What an explainer is shown of a feature, and what it never sees and is scored by.

    `feature` is as a question names it, with its pole where the dictionary is signed; `largest` its
    largest strength, and `n_firing` the documents in which it fires, in the whole collection;
    `near` are the features near it that were looked at. `shown` and `scored` hold
    firing windows and counterexamples; a document is in one of them at most, and once. Raises
    `InvalidInput` where it is not.
    """

    collection: str
    feature: int | str
    largest: float
    n_firing: int
    shown: tuple[TokenWindow, ...]
    scored: tuple[TokenWindow, ...]
    near: tuple[int | str, ...] = ()
    state: str | None = None

    def __post_init__(self) -> None:
        docs = [window.doc for window in (*self.shown, *self.scored)]
        if len(set(docs)) < len(docs):
            raise InvalidInput(f"Evidence for {self.feature} has a document twice.")
        is_held = HELD_BACK.has_documents(docs)
        if is_held[: len(self.shown)].any() or not is_held[len(self.shown) :].all():
            raise InvalidInput(f"Evidence for {self.feature} shows what was held back.")

    @property
    def firing(self) -> tuple[TokenWindow, ...]:
        """The shown windows in which the feature fires."""
        return tuple(window for window in self.shown if window.fires)

    @property
    def counter(self) -> tuple[TokenWindow, ...]:
        """The shown counterexamples."""
        return tuple(window for window in self.shown if not window.fires)
