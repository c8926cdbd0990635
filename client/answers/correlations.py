"""Features that fire together.

`pole` is + or - where the dictionary is signed, and tells which pole of the feature is meant; of
others it is None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from saelake.answers import about
from saelake.answers.answer import Answer
from saelake.answers.drawing import PAIRS
from saelake.answers.text import both_labelled, named
from saelake.answers.view import View
from saelake.store.errors import extra


@dataclass(frozen=True, slots=True, kw_only=True)
class Correlation:
    """Two features that fire in the same documents.

    `n_a` and `n_b` documents have each, `n_both` both; `b_given_a` is the share of the documents
    with a that have b. Of aligned texts they are values that have such documents, and shares are
    means over values. With a control, `expected` documents have both by what is controlled for,
    `controlled_npmi` is against these, and p and q are of the difference; else all are None.
    """

    feature_a: int
    pole_a: str | None = None
    feature_b: int
    pole_b: str | None = None
    npmi: float
    n_a: int
    n_b: int
    n_both: int
    b_given_a: float
    a_given_b: float
    label_similarity: float | None
    label_a: str | None
    label_b: str | None
    controlled_npmi: float | None = None
    expected: float | None = None
    p_value: float | None = None
    q_value: float | None = None


class Correlations(Answer[Correlation]):
    """Pairs of features by NPMI, over `n` documents or values that align them.

    `notes` are sentences that must be read with the numbers, and `about` has all that is said of
    the whole answer.
    """

    called = "pairs"

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Correlation)
        self.about = about.said(table)
        self.n: int = self.about["n"]
        self.notes: tuple[str, ...] = self.about.get("notes", ())

    def _head(self) -> Mapping[str, Any]:
        return self.about

    @property
    def is_controlled(self) -> bool:
        """Whether something was controlled for."""
        return str(self.about.get("control", "none")) != "none"

    @property
    def head(self) -> str:
        """In a line, over what pairs were counted, and how they were tested."""
        return f"over {about.units(self.about)}{about.tested(self.about, 'pairs')}"

    def plot(self, *, most: int = PAIRS) -> Any:
        """An `altair.LayerChart`: the pairs as a graph, in which linked features are near.

        A circle's area grows with the documents that a feature fires in, a line's width with NPMI;
        hovering says the counts. Of more than `most` pairs the first are drawn, which are the
        strongest, and the title says so. Where the pairs are of two aligned selections, a feature
        stands once for each. Raises `InvalidInput`, and `MissingExtra` without Altair.
        """
        with extra("plots", "A plot"):
            from saelake.answers.plots.network import network
        return network(self.to_arrow(), self.about, self.head, most=most)

    def _view(self, rows: Sequence[Correlation]) -> View:
        more = ("controlled", "q") if self.is_controlled else ()
        return View(
            said=[self.head, *self.notes],
            header=("a", "b", "NPMI", *more, "both", "in a", "in b", "labels"),
            rows=[
                (
                    named(c.feature_a, c.pole_a),
                    named(c.feature_b, c.pole_b),
                    c.npmi,
                    *((c.controlled_npmi, c.q_value) if more else ()),
                    c.n_both,
                    c.n_a,
                    c.n_b,
                    both_labelled(c.label_a, c.label_b),
                )
                for c in rows
            ],
        )
