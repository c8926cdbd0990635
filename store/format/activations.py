"""Kept activations: which tokens, in which type, and the columns of their table.

One row a document, or more for one with many tokens: a row of no tokens then says that the
document was looked at, so that a table knows what it lacks (docs/decisions/011-activations.md).
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa

from saelake.store.format.sampling import TokenSample
from saelake.store.format.schema import MAX_PART_TOKENS, CollectionSettings, settings_metadata

KeptDtype = Literal["float16", "bfloat16"]
# Arrow has no bfloat16: its bits are stored, which are the upper half of a float32's.
ARROW_TYPES: Mapping[KeptDtype, pa.DataType] = {"float16": pa.float16(), "bfloat16": pa.uint16()}
NUMPY_TYPES: Mapping[KeptDtype, Any] = {"float16": np.float16, "bfloat16": np.uint16}
ROW_BYTES = 4 << 20  # so that what is read at once stays small, however long a document is
SETTINGS_KEY = "saelake:activations"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptSettings:
    """What decides which activations are kept, and how; fixed when the first are.

    `collection` is the one that they are kept beside: its model, hook point and windows are
    theirs.
    """

    collection: CollectionSettings
    sample: TokenSample
    dtype: KeptDtype

    @property
    def name(self) -> str:
        """What a run calls this table among those that it writes; no collection is called so."""
        return f"{self.collection.name} activations"

    @property
    def d_in(self) -> int:
        """How many numbers a token has."""
        return self.collection.d_in

    @property
    def row_tokens(self) -> int:
        """The most tokens of one row."""
        return min(max(ROW_BYTES // (2 * self.d_in), 1), MAX_PART_TOKENS)

    @property
    def rows_per_part(self) -> int:
        """The most rows of 65,535 tokens, by which rows are numbered in a longer document."""
        return -(-MAX_PART_TOKENS // self.row_tokens)

    def are_of(self, settings: CollectionSettings) -> bool:
        """Whether a collection's codes are made of these activations."""
        mine = self.collection
        return all(getattr(mine, name) == getattr(settings, name) for name in _SOURCE)

    def to_metadata(self) -> dict[str, str]:
        """What the metadata of their table says."""
        own = {"dtype": self.dtype, **asdict(self.sample)}
        return {**settings_metadata(self.collection), SETTINGS_KEY: json.dumps(own)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Self:
        """The settings that `to_metadata` wrote."""
        own = json.loads(metadata[SETTINGS_KEY])
        return cls(
            collection=CollectionSettings.from_json(metadata["saelake:collection"]),
            dtype=own["dtype"],
            sample=TokenSample(fraction=own["fraction"], seed=own["seed"]),
        )


_SOURCE = (
    "corpus",
    "d_in",
    "model_fingerprint",
    "hook",
    "window",
    "overlap",
    "max_tokens",
    "special_tokens",
    "prepend_bos",
    "chat",
    "quantization",
)


def kept_schema(settings: KeptSettings) -> pa.Schema:
    """The tokens of a document, or a numbered part of them, positions ascending.

    `positions` counts the document's tokens as its codes do. `vectors` are `(n_tokens, d_in)`
    float16, or the bits of bfloat16 as uint16. `error` says why a document has none.
    """
    vector = pa.list_(ARROW_TYPES[settings.dtype], settings.d_in)
    return pa.schema(
        [
            pa.field("doc", pa.uint64()),
            pa.field("part", pa.uint32()),
            pa.field("error", pa.string()),
            pa.field("n_tokens", pa.uint32()),
            _list("positions", pa.uint32()),
            _list("token_ids", pa.uint32()),
            _list("vectors", vector),
        ],
        metadata=settings.to_metadata(),
    )


def _list(name: str, item: pa.DataType) -> pa.Field:
    return pa.field(name, pa.list_(pa.field("item", item, nullable=False)))
