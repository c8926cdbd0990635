"""Documents that have a property."""

from dataclasses import dataclass

from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import Method, Weight, check_positive, check_share
from saelake.store.requests.columns import FOUND
from saelake.store.requests.request import Request

MOST_WEIGHT = 1e6  # times the largest value, as float32 has it


@dataclass(frozen=True, kw_only=True)
class RetrieveQuery(Request, cost="quick", answer=FOUND):
    """Which documents have a property that a phrase names, through the labels of features.

    The `n_features` features whose labels are nearest the phrase are weighed by rank (see
    `query.retrieve`). `hybrid` also ranks by the dense embeddings' similarity to the phrase.
    With `min_score` only features whose labels have at least this score are chosen. With `features`
    these stand for the phrase, each with its weight, and no label is compared with it.
    """

    collection: str
    phrase: str
    where: str | None = None
    k: int | None = 10
    method: Method = "hybrid"
    n_features: int = 100
    temperature: float = 0.2
    min_score: float | None = None
    features: tuple[Weight, ...] = ()

    @property
    def tells(self) -> bool:
        """Whether who listens is told: where a model reads a text, which it does in turns."""
        return True

    def check(self) -> None:
        """See `Request`."""
        check_share("min_score", self.min_score)
        check_positive("n_features", self.n_features)
        check_positive("temperature", self.temperature)
        if self.features and self.min_score is not None:
            raise InvalidInput(
                "A least score is of the labels that a phrase finds: leave it out with features."
            )
        if any(not 0 < weight.weight <= MOST_WEIGHT for weight in self.features):
            raise InvalidInput(
                "The weight of a feature that stands for a phrase is more than 0, and at most "
                f"{MOST_WEIGHT:,.0f}."
            )
        if len({weight.feature for weight in self.features}) < len(self.features):
            raise InvalidInput("Name each feature that stands for the phrase once.")
        if not self.phrase.strip():
            raise InvalidInput("The phrase is empty: name a property, as in 'sarcastic praise'.")
