"""What one server gives at most."""

from dataclasses import dataclass

from saelake.store.errors import InvalidInput
from saelake.store.requests.request import Cost

MIB = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one server gives at most.

    `answers` are in work at once, and the rest is refused; `threads` of them compute. Health probes
    and those who are denied access take no place among them. An answer has at most `answer_bytes`
    and takes at most `answer_s`, or `analysis_s` where it reads a whole selection; exports and
    verify may take `export_s` and have any size, since they are streamed no faster than they are
    read. A request has at most `request_bytes`, and documents or labels that are sent
    `import_bytes` together.
    """

    answers: int = 64
    threads: int = 8
    answer_bytes: int = 256 * MIB
    answer_s: float = 60.0
    analysis_s: float = 600.0
    export_s: float = 24 * 3600.0
    request_bytes: int = MIB
    import_bytes: int = 4096 * MIB

    def __post_init__(self) -> None:
        wrong = [name for name in self.__slots__ if not getattr(self, name) > 0]
        if wrong:
            raise InvalidInput(f"The limits {', '.join(wrong)} must be more than 0.")

    def seconds(self, cost: Cost) -> float:
        """How long an answer may take."""
        limits = {"quick": self.answer_s, "analysis": self.analysis_s, "export": self.export_s}
        return limits[cost]

    def most_bytes(self, cost: Cost) -> int | None:
        """How large an answer may be; None: of any size."""
        return None if cost == "export" else self.answer_bytes
