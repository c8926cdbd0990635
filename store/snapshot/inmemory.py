"""What a process keeps in memory between questions, in numbers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InMemory:
    """Bytes kept of at most `capacity`, look-ups that found something or did not, and freshness.

    `age_s`: how long ago a newer state of any collection was looked for; 0 before the first.
    """

    n_bytes: int
    capacity: int
    n_found: int
    n_missed: int
    age_s: float
