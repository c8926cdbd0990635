"""What a worker hands over: shards whose rows are written, and what is in them, in numbers."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from saelake.store.growth.shards import ShardDraft
from saelake.workers.encoder.shard import Shard


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Documents and tokens; and codes and failed documents, of all collections together."""

    n_documents: int = 0
    n_tokens: int = 0
    n_codes: int = 0
    n_failed: int = 0

    @classmethod
    def of(cls, rows: Mapping[str, pa.RecordBatch]) -> "Counts":
        """The counts of packed rows, which are of the same documents in each table."""
        *_, whole = rows.values()  # kept activations, of some tokens only, come first
        codes = [batch["values"] for batch in rows.values() if "values" in batch.schema.names]
        return cls(
            n_documents=int((whole["part"].to_numpy() == 0).sum()),
            n_tokens=len(whole["token_ids"].flatten()),
            n_codes=sum(len(values.flatten()) for values in codes),
            n_failed=sum(len(batch) - batch["error"].null_count for batch in rows.values()),
        )

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            n_documents=self.n_documents + other.n_documents,
            n_tokens=self.n_tokens + other.n_tokens,
            n_codes=self.n_codes + other.n_codes,
            n_failed=self.n_failed + other.n_failed,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedShard:
    """A shard whose rows are written for each of its collections, and not committed."""

    shard: Shard
    drafts: Mapping[str, ShardDraft]
    counts: Counts
