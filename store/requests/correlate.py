"""Which features fire in the same documents."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import Selection, check_positive, check_share
from saelake.store.requests.columns import LABEL
from saelake.store.requests.request import Request

Adjacent = Literal["keep", "drop"]

CORRELATIONS = pa.schema(
    [
        pa.field("feature_a", pa.uint32()),
        pa.field("feature_b", pa.uint32()),
        pa.field("npmi", pa.float64()),
        pa.field("n_a", pa.uint64()),
        pa.field("n_b", pa.uint64()),
        pa.field("n_both", pa.uint64()),
        pa.field("b_given_a", pa.float64()),
        pa.field("a_given_b", pa.float64()),
        pa.field("label_similarity", pa.float32()),
        pa.field("label_a", LABEL),
        pa.field("label_b", LABEL),
        pa.field("controlled_npmi", pa.float64()),
        pa.field("expected", pa.float64()),
        pa.field("p_value", pa.float64()),
        pa.field("q_value", pa.float64()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class CorrelateQuery(Request, cost="analysis", answer=CORRELATIONS):
    """Which features fire in the same documents, by normalised pointwise mutual information.

    With `b`, features of `a`'s documents against features of `b`'s: two texts of one thing, as a
    prompt and its responses, that have the same value in the column `align`. Each value counts as
    one, however many documents it has: see `store.query.parts.partners`. `n_both` counts values in
    which both fire.

    `control` names columns, or `length`, the number of tokens: pairs are compared with what is
    expected of documents that are alike in these, and tested. Then `controlled_npmi`, `expected`
    (documents with both), `p_value` and `q_value` are not null, and pairs are chosen and ordered by
    `controlled_npmi`. Documents without a value in `align` or `control` are left out, and counted
    in a note; p-values are twice the smaller tail.

    Features that fire in
    more than `max_coverage` of the documents are left out: what fires nearly everywhere does so
    together with everything. `max_label_similarity` keeps pairs whose labels have embeddings no
    more alike than that, by cosine; `adjacent` `drop` leaves out pairs that mostly fire on the same
    or neighbouring tokens.
    """

    a: Selection
    b: Selection | None = None
    align: str | None = None
    features: tuple[int, ...] = ()
    min_npmi: float = 0.6
    min_documents: int = 10
    max_coverage: float = 0.5
    max_label_similarity: float | None = None
    adjacent: Adjacent = "keep"
    k: int | None = 50
    control: tuple[str, ...] = ()

    def check(self) -> None:
        """See `Request`."""
        if not -1 <= self.min_npmi <= 1:
            raise InvalidInput(f"NPMI is from -1 to 1, so min_npmi cannot be {self.min_npmi}.")
        check_positive("min_documents", self.min_documents)
        check_share("max_coverage", self.max_coverage)
        if self.b is None and self.align is not None:
            raise InvalidInput(
                f"align={self.align} compares two selections, by documents that have one value in "
                f"{self.align}: give a second selection, as the answers to these prompts, or leave "
                "out align.",
                align=self.align,
            )
        if self.b is not None and self.align is None:
            raise InvalidInput(
                "Two selections need a column whose equal values say which documents belong "
                "together: name it with align, as prompt_id."
            )
        if self.b is not None and self.control:
            raise InvalidInput(
                "Aligned texts are compared within their values, and nothing more is controlled "
                "for: leave out control, or narrow both selections."
            )
        if self.b is not None and self.adjacent == "drop":
            raise InvalidInput("Tokens of two texts are never adjacent: leave out adjacent.")
