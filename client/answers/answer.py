"""What every answer is: a sequence of small values over the Arrow table that it came as."""

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, ClassVar, TypeVar, overload

import pyarrow as pa

from saelake.answers.about import STATE
from saelake.answers.frames import to_pandas, to_polars
from saelake.answers.markup import view_html
from saelake.answers.plain import plain
from saelake.answers.view import View

SHOWN = 50  # rows that a repr shows

T = TypeVar("T")


class Answer(Sequence[T]):
    """Rows of an answer, as values or as a table. Values are made when they are first asked for.

    `called` is what the rows are called in JSON.
    """

    called: ClassVar[str] = "rows"

    def __init__(self, table: pa.Table, value: Callable[..., T]) -> None:
        self._table = table
        self._value = value

    @property
    def sample(self) -> str | None:
        """Of which sample of a collection's tokens the answer is; None where it is of all."""
        return sample_of(self._table)

    @property
    def state(self) -> str | None:
        """The state of the lake that the answer is of: `connect(…, at=state)` asks of it again."""
        return state_of(self._table)

    def to_arrow(self) -> pa.Table:
        """The answer as it came, without a copy."""
        return self._table

    def to_pandas(self) -> Any:
        """The answer as a pandas data frame, metadata in columns of its own.

        Raises `MissingExtra` when pandas is not installed.
        """
        return to_pandas(self._table)

    def to_polars(self) -> Any:
        """The answer as a polars data frame, metadata in columns of its own.

        Raises `MissingExtra` when polars is not installed.
        """
        return to_polars(self._table)

    def to_dicts(self) -> list[dict[str, Any]]:
        """The rows as plain dictionaries."""
        rows: list[dict[str, Any]] = self._table.to_pylist()
        return rows

    def to_plain(self) -> dict[str, Any]:
        """The answer as one JSON document, in plain values: what it says of itself, and its rows.

        That is what `--format json` prints, and the HTTP API answers.
        """
        sample = {} if self.sample is None else {"sample": self.sample}
        document: dict[str, Any] = plain({**self._head(), self.called: self._rows(), **sample})
        return document

    def _head(self) -> Mapping[str, Any]:
        """What a document says before the rows."""
        return {}

    def _rows(self) -> list[dict[str, Any]]:
        """The rows of a document."""
        return self.to_dicts()

    @cached_property
    def _values(self) -> tuple[T, ...]:
        return tuple(self._value(**row) for row in self.to_dicts())

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self._values[index]

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[T]:
        return iter(self._values)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._values == other._values

    __hash__ = None  # type: ignore[assignment]

    @abstractmethod
    def _view(self, rows: Sequence[T]) -> View:
        """How the answer is laid out, with these of its rows."""

    @property
    def _shown(self) -> View:
        """The first rows, how many more there are, and of which sample they are."""
        first = [self._value(**row) for row in self._table.slice(0, SHOWN).to_pylist()]
        view, n_more = self._view(first), len(self) - len(first)
        said = view.said if self.sample is None else [*view.said, self.sample]
        return replace(view, said=said, more=f"… {n_more:,} more rows" if n_more else "")

    def __repr__(self) -> str:
        return str(self._shown)

    def _repr_html_(self) -> str:
        return view_html(self._shown)


def sample_of(table: pa.Table) -> str | None:
    """Of which sample of a collection's tokens an answer's table is, as its metadata says."""
    return _said(table, b"sample")


def state_of(table: pa.Table) -> str | None:
    """Of which state of the lake an answer's table is, as its metadata says."""
    return _said(table, STATE.encode())


def _said(table: pa.Table, name: bytes) -> str | None:
    said: bytes | None = (table.schema.metadata or {}).get(name)
    return None if said is None else said.decode()
