"""What every question is."""

from typing import ClassVar, Literal, get_type_hints

import pyarrow as pa

from saelake.store.requests.checks import Check, admit, check_k, checks

# `quick` reads little and is bounded by the client's timeout; an `analysis` reads a whole
# selection; an `export` reads everything there is, and its answer may have any size.
Cost = Literal["quick", "analysis", "export"]

# What a caller must be allowed to do, where not everybody may do everything.
Right = Literal["read", "label", "encode", "admin"]


class Request:
    """A question: a frozen dataclass of its fields and their defaults, checked when it is made.

    `question` is its name on every face: the gRPC method, the command, the method in Python, and
    the file in `store/query` that answers it. `answer` has the columns of the answer, in order; the
    struct `metadata`, where there is one, has the corpus's own columns.

    A feature is a whole number, also of a signed dictionary, of which it may mean one pole (see
    `format.poles`); in the answer the columns and structs with a `feature` then have a `pole` too.

    A class attribute of a field's name is the field's default, for the faces to repeat.
    """

    question: ClassVar[str]
    cost: ClassVar[Cost]
    right: ClassVar[Right]
    answer: ClassVar[pa.Schema]
    _checks: ClassVar[dict[str, Check] | None] = None  # made with the first question of a kind

    def __init_subclass__(cls, *, cost: Cost, answer: pa.Schema, right: Right = "read") -> None:
        cls.question = cls.__name__.removesuffix("Query").lower()
        cls.cost = cost
        cls.right = right
        cls.answer = answer

    def __post_init__(self) -> None:
        kind = type(self)
        if kind._checks is None:
            kind._checks = checks(get_type_hints(kind))
        admit(self, kind._checks)
        check_k(getattr(self, "k", None))
        self.check()

    @property
    def tells(self) -> bool:
        """Whether who listens is told how far an answer is: of quick ones seldom."""
        return self.cost != "quick"

    def check(self) -> None:
        """Raise `InvalidInput` for fields that cannot be meant, or not together."""
