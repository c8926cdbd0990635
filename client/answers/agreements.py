"""How far explainers agree."""

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from saelake.answers.answer import Answer
from saelake.answers.text import one_line
from saelake.answers.view import View


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How alike what two explainers call features is, over the `n` that both label.

    `n_same` have the same text but for case. `jaccard` is the mean of the words that are in both
    labels over those in either; `cosine` the mean over the `n_cosine` features of which both labels
    have vectors that can be compared, None of none. See `store.query.agreement` for the formulas.
    """

    explainer_a: str
    explainer_b: str
    n: int
    n_same: int
    jaccard: float
    n_cosine: int
    cosine: float | None


class Agreements(Answer[Agreement]):
    """Pairs of explainers, by their names."""

    called = "pairs"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Agreement)

    def _view(self, rows: Sequence[Agreement]) -> View:
        return View(
            header=("a", "b", "features", "same", "jaccard", "cosine"),
            rows=[
                (
                    one_line(r.explainer_a),
                    one_line(r.explainer_b),
                    r.n,
                    r.n_same,
                    r.jaccard,
                    r.cosine,
                )
                for r in rows
            ],
        )
