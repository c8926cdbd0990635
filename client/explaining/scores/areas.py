"""Areas under ROC curves: of probabilities, similarities, and what a label saves in surprise."""

from collections.abc import Sequence

import numpy as np

from saelake.explaining.scores.estimates import UNKNOWN, ScoreEstimate
from saelake.store.errors import InvalidInput
from saelake.store.format.areas import interval
from saelake.store.format.lists import Array


def area(
    values: Sequence[float] | Array,
    truths: Sequence[bool] | Array,
    docs: Sequence[int] | None = None,
) -> ScoreEstimate:
    """The share of pairs of a true and another example that `values` put in order, ties half.

    The interval is Newcombe's method 5, of as many documents of each kind as there are. Unknown
    without both kinds. Raises `InvalidInput` of values that are no numbers.
    """
    graded, so = np.asarray(values, np.float64), np.asarray(truths, np.bool_)
    if not np.isfinite(graded).all():
        raise InvalidInput("Examples are ranked by numbers, and one is none.")
    n_1, n_0 = _counted(so, docs)
    if not n_1 or not n_0:
        return UNKNOWN
    found = _in_order(graded[so], graded[~so])
    low, high = interval(np.array([found]), np.array([n_1]), np.array([n_0]))
    return ScoreEstimate(value=found, low=float(low[0]), high=float(high[0]), n=len(so))


def _in_order(true: Array, others: Array) -> float:
    ordered = np.sort(others)
    below = ordered.searchsorted(true, "left") + ordered.searchsorted(true, "right")
    return float(below.sum() / (2 * len(true) * len(others)))


def _counted(so: Array, docs: Sequence[int] | None) -> tuple[int, int]:
    numbers = np.arange(len(so)) if docs is None else np.asarray(docs)
    return len(np.unique(numbers[so])), len(np.unique(numbers[~so]))


def surprise_saved(
    described: Sequence[Sequence[float]], undescribed: Sequence[Sequence[float]]
) -> list[float]:
    """By how much less each text surprises after the label: the mean over its tokens, in nats.

    Each row has a loss (minus the log-probability) for each token of a text. Firing texts should
    have more saved than others: `area` of this is the score. Raises `InvalidInput` of rows that
    differ in length.
    """
    rows = list(zip(described, undescribed, strict=True))
    if any(len(a) != len(b) or not len(a) for a, b in rows):
        raise InvalidInput("A text has a loss for each token, with the label and without it.")
    return [float(np.mean(b) - np.mean(a)) for a, b in rows]
