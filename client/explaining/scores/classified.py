"""Detection, fuzzing and intruder: how often a judge was right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saelake.explaining.scores.areas import area
from saelake.explaining.scores.estimates import UNKNOWN, ScoreEstimate, of_two, share
from saelake.language.reading import Unreadable
from saelake.store.errors import InvalidInput


@dataclass(frozen=True, slots=True, kw_only=True)
class Classification:
    """How well a judge told firing examples from others by a label.

    `accuracy` is balanced: the mean of `recall` (of the firing examples, those found) and
    `specificity` (of the others, those left); .5 is a guess. `f1` is of as many examples of each
    kind as there were. `auc` is of the probabilities, where there were any. `n_unread` examples
    were answered in no readable way, and are in none of the numbers.
    """

    accuracy: ScoreEstimate
    f1: ScoreEstimate
    recall: ScoreEstimate
    specificity: ScoreEstimate
    auc: ScoreEstimate
    n_unread: int


def classified(
    truths: Sequence[bool],
    said: Sequence[bool | None],
    *,
    docs: Sequence[int] | None = None,
    probabilities: Sequence[float | None] | None = None,
) -> Classification:
    """The score of answers: of example i the truth, what was said (None: unreadable), and more.

    `docs` are the documents of the examples, where several may be of one. Raises `InvalidInput` of
    lengths that differ.
    """
    n = len(truths)
    numbers = range(n) if docs is None else docs
    graded = [None] * n if probabilities is None else probabilities
    if not n == len(said) == len(numbers) == len(graded):
        raise InvalidInput(f"{n} examples have {len(said)} answers, {len(numbers)} documents.")
    read = [i for i in range(n) if said[i] is not None]
    of_kind = {kind: [i for i in read if truths[i] == kind] for kind in (True, False)}
    recall, specificity = (
        share([said[i] == kind for i in of_kind[kind]], [numbers[i] for i in of_kind[kind]])
        for kind in (True, False)
    )
    return Classification(
        accuracy=of_two(lambda a, b: (a + b) / 2, recall, specificity),
        f1=_f1(recall, specificity),
        recall=recall,
        specificity=specificity,
        auc=_graded(truths, graded, numbers),
        n_unread=n - len(read),
    )


def _f1(recall: ScoreEstimate, specificity: ScoreEstimate) -> ScoreEstimate:
    """2 TP / (2 TP + FP + FN), which grows with both shares."""
    n_1, n_0 = recall.n, specificity.n

    def f1(found: float, left: float) -> float:
        true, false = n_1 * found, n_0 * (1 - left)
        return 2 * true / (true + false + n_1) if n_1 else 0.0

    return of_two(f1, recall, specificity)


def _graded(
    truths: Sequence[bool], graded: Sequence[float | None], docs: Sequence[int]
) -> ScoreEstimate:
    known = [i for i, probability in enumerate(graded) if probability is not None]
    if not known:
        return UNKNOWN
    values = np.array([graded[i] for i in known], np.float64)
    return area(values, [truths[i] for i in known], [docs[i] for i in known])


@dataclass(frozen=True, slots=True, kw_only=True)
class IntruderScore:
    """How often the intruder was found, against the `chance` of finding it by a guess."""

    accuracy: ScoreEstimate
    chance: float
    n_unread: int


def intruders_found(
    intruders: Sequence[int], said: Sequence[int | Unreadable], n_shown: Sequence[int]
) -> IntruderScore:
    """The score of answers: of each task which example was the intruder, of how many."""
    rows = zip(intruders, said, n_shown, strict=True)
    read = [(i, s, n) for i, s, n in rows if not isinstance(s, Unreadable)]
    return IntruderScore(
        accuracy=share([i == s for i, s, _ in read]),
        chance=float(np.mean([1 / n for _, _, n in read])) if read else 0.0,
        n_unread=len(said) - len(read),
    )
