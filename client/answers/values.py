"""The values of a metadata column, and how many documents have each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from saelake.answers import about
from saelake.answers.answer import Answer
from saelake.answers.text import one_line, several
from saelake.answers.view import Proportion, View


def called(kind: str, value: str | None, n_values: int) -> str:
    """What a row of values is of, in words: a value may be called the same."""
    if kind == "others":
        return f"others ({several(n_values, 'value')})"
    if kind in ("missing", "nan"):
        return "no value" if kind == "missing" else "NaN"
    return one_line(value or "") if value else "(empty)"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueCount:
    """How many documents have a value: `n_documents`, which are the `share` of all documents.

    The `kind` of a row is `value`, `bin`, which has the `n_values` values from `low` to `high`,
    `others`, which has those that are not shown, `nan`, or `missing`: the documents without a
    value. `where` is a filter that keeps the row's documents; None of others, and where no filter
    can say it.
    """

    value: str | None
    kind: str
    n_documents: int
    share: float
    n_values: int
    low: str | None = None
    high: str | None = None
    where: str | None = None

    @property
    def name(self) -> str:
        """What the row is of, in words: a value may be called the same."""
        return called(self.kind, self.value, self.n_values)


class ValueCounts(Answer[ValueCount]):
    """Values of a column, with how many of all `n` documents have each.

    Documents are those that are selected and have codes. `n_values` is how many values these have,
    `n_missing` how many documents have none, and `n_nan` how many one that is no number. `notes`
    are sentences that must be read with the numbers; `about` has all of this.
    """

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, ValueCount)
        self.about = about.said(table)
        self.by: str = self.about["by"]
        self.n: int = self.about["n"]
        self.n_values: int = self.about["n_values"]
        self.n_missing: int = self.about["n_missing"]
        self.n_nan: int = self.about["n_nan"]
        self.notes: tuple[str, ...] = self.about.get("notes", ())

    def _head(self) -> Mapping[str, Any]:
        return self.about

    @property
    def head(self) -> str:
        """In a line, how many values how many documents have."""
        without = f", {self.n_missing:,} without a value" if self.n_missing else ""
        nan = f", {self.n_nan:,} with NaN" if self.n_nan else ""
        documents = several(self.n, "document")
        return f"{self.by}: {several(self.n_values, 'value')} in {documents}{without}{nan}"

    def _view(self, rows: Sequence[ValueCount]) -> View:
        return View(
            said=[self.head, *self.notes],
            header=(one_line(self.by), "documents", "share", "where"),
            rows=[
                (row.name, row.n_documents, Proportion(row.share), one_line(row.where or "-"))
                for row in rows
            ],
        )
