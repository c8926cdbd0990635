"""What is in a lake."""

from dataclasses import dataclass

import pyarrow as pa

from saelake.store.requests.request import Request

JOB = pa.struct(
    [
        *(pa.field(name, pa.string()) for name in ("id", "kind", "state", "problem", "host")),
        pa.field("pid", pa.uint64()),
        *(pa.field(name, pa.timestamp("ms", "UTC")) for name in ("started", "heartbeat")),
        *(
            pa.field(name, pa.uint64())
            for name in (
                "n_workers",
                "n_in_flight",
                "n_repeated",
                "n_documents",
                "n_total",
                "n_failed",
                "n_tokens",
            )
        ),
    ]
)

COLUMN = pa.struct(
    [
        *(pa.field(name, pa.string()) for name in ("name", "type")),
        pa.field("is_imported", pa.bool_()),  # with documents; else it came later
        pa.field("changed", pa.timestamp("ms", "UTC")),  # null if it is as it was imported
        pa.field("about", pa.string()),
    ]
)

INFO = pa.schema(
    [
        pa.field("corpus", pa.string()),
        pa.field("dictionary", pa.string()),
        *(
            pa.field(name, pa.uint64())
            for name in (
                "n_documents",
                "n_skipped",
                "n_deleted",
                "n_encoded",
                "n_failed",
                "n_tokens",
                "n_codes",
                "n_indexed",
                "n_segments",
                "size_bytes",
            )
        ),
        pa.field("d_sae", pa.uint32()),
        pa.field("architecture", pa.string()),
        pa.field("model", pa.string()),
        pa.field("hook", pa.string()),
        pa.field("values", pa.string()),
        pa.field("tokens_from", pa.string()),
        pa.field("n_held", pa.uint64()),  # of its tokens, that have codes or could
        pa.field("sample_fraction", pa.float64()),
        pa.field("sample_seed", pa.uint64()),
        pa.field("n_encodable", pa.uint64()),  # documents that its encode can reach
        pa.field("n_kept", pa.uint64()),
        pa.field("unit", pa.string()),  # what its n_tokens are: tokens, spans, or documents
        pa.field("is_outdated", pa.bool_()),
        pa.field("maps", pa.list_(pa.string())),
        pa.field("jobs", pa.list_(JOB)),
        pa.field("columns", pa.list_(COLUMN)),
    ]
)


@dataclass(frozen=True, kw_only=True)
class InfoQuery(Request, cost="quick", answer=INFO):
    """What is in the lake, or in these of its corpora."""

    corpora: tuple[str, ...] = ()
