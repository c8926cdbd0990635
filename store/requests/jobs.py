"""What runs, or ran, over a lake."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.requests.request import Request

_AMOUNTS = (
    "n_workers",
    "n_in_flight",
    "n_repeated",
    "n_documents",
    "n_total",
    "n_failed",
    "n_tokens",
    "n_codes",
    "n_postings",
    "n_segments",
    "n_labels",
    "n_fitted",
    "n_clusters",
)
JOBS = pa.schema(
    [
        *(pa.field(name, pa.string()) for name in ("id", "kind", "corpus")),
        pa.field("collections", pa.list_(pa.string())),
        *(pa.field(name, pa.string()) for name in ("state", "problem", "error", "host")),
        pa.field("pid", pa.uint64()),
        *(pa.field(name, pa.timestamp("ms", "UTC")) for name in ("started", "heartbeat")),
        pa.field("is_loading", pa.bool_()),
        *(pa.field(name, pa.uint64()) for name in _AMOUNTS),
        *(pa.field(name, pa.list_(pa.string())) for name in ("notes", "warnings")),
    ]
)


@dataclass(frozen=True, kw_only=True)
class JobsQuery(Request, cost="quick", answer=JOBS):
    """The jobs over the lake that are known, the latest first; or the one of this `id`.

    With `corpora` only those over these corpora.
    """

    id: str | None = None
    corpora: tuple[str, ...] = ()
