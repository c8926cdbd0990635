"""How far an encode is, and what it did."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeProgress:
    """How far an encode is; counts of this run, codes of all collections together.

    `n_workers` are ready, `n_in_flight` shards are with them, and `n_repeated` were handed out
    again because of failures. `notes` and `warnings` are what there is to say of the run before it
    begins: see `EncodeReport`, whose notes are both. While `is_loading` nothing is known yet, not
    even how much there is to do.
    """

    n_total: int
    n_documents: int = 0
    n_tokens: int = 0
    n_codes: int = 0
    n_failed: int = 0
    n_workers: int = 0
    n_in_flight: int = 0
    n_repeated: int = 0
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    is_loading: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeReport:
    """What an encode did; `n_failed` documents are recorded with the reason.

    `notes` say where dictionaries were run in separate passes, because they state different
    contexts, and where a collection is not made as its dictionary states. Of the latter Python is
    warned too (`SaelakeWarning`).
    """

    collections: tuple[str, ...]
    n_documents: int
    n_tokens: int
    n_codes: int
    n_failed: int
    n_repeated: int
    notes: tuple[str, ...] = ()
