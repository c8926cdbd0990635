"""How far explainers agree."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.requests.request import Request

AGREEMENT = pa.schema(
    [
        pa.field("explainer_a", pa.string()),
        pa.field("explainer_b", pa.string()),
        pa.field("n", pa.uint32()),
        pa.field("n_same", pa.uint32()),
        pa.field("jaccard", pa.float64()),
        pa.field("n_cosine", pa.uint32()),
        pa.field("cosine", pa.float64()),
    ]
)


@dataclass(frozen=True, kw_only=True)
class AgreementQuery(Request, cost="quick", answer=AGREEMENT):
    """How alike what two explainers call the same features of a dictionary is, for each pair.

    With `explainers` only pairs of these.
    """

    dictionary: str
    explainers: tuple[str, ...] = ()
