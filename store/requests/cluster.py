"""Groups of documents."""

from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.requests.checks import check_positive, check_share
from saelake.store.requests.request import Request

Clustering = Literal["spectral", "jaccard"]

DISTINCTIVE = pa.struct(
    [
        pa.field("feature", pa.uint32()),
        pa.field("label", pa.string()),
        pa.field("frequency_in", pa.float64()),
        pa.field("frequency_out", pa.float64()),
    ]
)

CENTRAL = pa.struct(
    [
        pa.field("doc", pa.uint64()),
        pa.field("id", pa.string()),
        pa.field("centrality", pa.float32()),
        pa.field("text", pa.string()),
    ]
)

CLUSTERS = pa.schema(
    [
        pa.field("cluster", pa.uint32()),
        pa.field("n_documents", pa.uint64()),
        pa.field("features", pa.list_(DISTINCTIVE)),
        pa.field("central", pa.list_(CENTRAL)),
        pa.field("docs", pa.list_(pa.uint64())),
        pa.field("centrality", pa.list_(pa.float32())),
    ]
)


@dataclass(frozen=True, kw_only=True)
class ClusterQuery(Request, cost="analysis", answer=CLUSTERS):
    """Groups of documents alike in SAE space, in all features or in some.

    `about` takes the `n_labels` features whose labels are nearest a phrase (with
    `min_score`: of those that have at least this score). `spectral` scales to
    any number of documents; `jaccard` is the published way, for some thousands.
    """

    collection: str
    where: str | None = None
    n_clusters: int = 8
    features: tuple[int, ...] = ()
    about: str | None = None
    n_labels: int = 100
    method: Clustering = "spectral"
    seed: int = 0
    min_score: float | None = None

    def check(self) -> None:
        """See `Request`."""
        check_share("min_score", self.min_score)
        if self.min_score is not None and self.about is None:
            raise InvalidInput(
                "A least score is of the labels that a phrase finds: give about too."
            )
        check_positive("n_labels", self.n_labels)
        if self.n_clusters < 2:
            raise InvalidInput(f"n_clusters must be at least 2, not {self.n_clusters}.")
        if self.features and self.about is not None:
            raise InvalidInput("Give either features, or a phrase about them.")
