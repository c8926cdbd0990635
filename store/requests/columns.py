"""Columns that answers of several questions have."""

import pyarrow as pa

METADATA = pa.field("metadata", pa.struct([]))  # of the corpus's own columns
LABEL = pa.dictionary(pa.int32(), pa.string())  # of answers with millions of pairs of features

TOKEN = (
    pa.field("doc", pa.uint64()),
    pa.field("id", pa.string()),
    pa.field("position", pa.uint32()),
    pa.field("value", pa.float32()),
    pa.field("token", pa.string()),
    pa.field("text", pa.string()),
    pa.field("token_start", pa.uint32()),  # in characters of `text`
    pa.field("token_length", pa.uint32()),
)

SHARED = pa.struct(
    [
        pa.field("feature", pa.uint32()),
        pa.field("label", pa.string()),
        pa.field("share", pa.float32()),
        pa.field("value", pa.float32()),
    ]
)

FOUND = pa.schema(
    [
        pa.field("doc", pa.uint64()),
        pa.field("id", pa.string()),
        pa.field("score", pa.float32()),
        pa.field("text", pa.string()),  # how the document begins
        METADATA,
        pa.field("shared_features", pa.list_(SHARED)),
    ]
)
