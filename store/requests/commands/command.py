"""What every command is."""

from typing import Any, ClassVar, get_type_hints

from saelake.store.requests.checks import Check, admit, checks
from saelake.store.requests.request import Right


class Command:
    """Something to do to a lake: a frozen dataclass of its fields, checked when it is made.

    `command` is its name, that of the gRPC method. `right` is what whoever sends it must be allowed
    to do, and `report` the value that comes back. Where `has_rows`, rows are sent with it; where
    `is_long`, it reads or writes as much as the lake has.
    """

    command: ClassVar[str]
    right: ClassVar[Right]
    report: ClassVar[type[Any]]
    has_rows: ClassVar[bool]
    is_long: ClassVar[bool]
    _checks: ClassVar[dict[str, Check] | None] = None  # made with the first command of a kind

    def __init_subclass__(
        cls, *, right: Right, report: type[Any], has_rows: bool = False, is_long: bool = False
    ) -> None:
        cls.command = cls.__name__.removesuffix("Command")
        cls.right = right
        cls.report = report
        cls.has_rows = has_rows
        cls.is_long = is_long or has_rows

    def __post_init__(self) -> None:
        kind = type(self)
        if kind._checks is None:
            kind._checks = checks(get_type_hints(kind))
        admit(self, kind._checks)
        self.check()

    @property
    def corpora(self) -> tuple[str, ...] | None:
        """The corpora that it is about; None where it is about the whole lake."""
        return None

    def check(self) -> None:
        """Raise `InvalidInput` for fields that cannot be meant, or not together."""
