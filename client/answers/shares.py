"""How often a feature fires in the documents of each value of a column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from saelake.answers import about
from saelake.answers.answer import Answer
from saelake.answers.text import one_line, several
from saelake.answers.values import called
from saelake.answers.view import Proportion, View


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueShare:
    """In how many documents of a value a feature fires: `n_firing` of `n_documents`.

    Of the `share` the interval is `ci_low` to `ci_high`; `lift` is the share over that of all
    documents, None where the feature fires in none. The `kind` of a row is `value`, `bin`, which
    has the `n_values` values from `low` to `high`, `others`, which has those that are not shown,
    `nan`, or `missing`: the documents without a value. `where` is a filter that keeps the row's
    documents; None of others, and where no filter can say it.
    """

    value: str | None
    kind: str
    n_documents: int
    n_firing: int
    share: float
    ci_low: float
    ci_high: float
    lift: float | None
    n_values: int
    low: str | None = None
    high: str | None = None
    where: str | None = None

    @property
    def name(self) -> str:
        """What the row is of, in words: a value may be called the same."""
        return called(self.kind, self.value, self.n_values)

    @property
    def interval(self) -> str:
        """From where to where the share may be."""
        return f"{self.ci_low:.1%} to {self.ci_high:.1%}"


class Shares(Answer[ValueShare]):
    """Values of a column, with the share of their documents in which a feature fires.

    `share` of all `n` documents is None where there are none; its interval is in `about`, which
    has all that is said of the whole answer. `p_value` and `cramers_v` are of the test that the
    share is the same in every row, and None where nothing can be tested. `notes` are sentences that
    must be read with the numbers.
    """

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, ValueShare)
        self.about = about.said(table)
        self.expression: str = self.about["expression"]
        self.by: str = self.about["by"]
        self.n: int = self.about["n"]
        self.n_firing: int = self.about["n_firing"]
        self.level: float = self.about["level"]
        self.share: float | None = self.about.get("share")
        self.p_value: float | None = self.about.get("p_value")
        self.cramers_v: float | None = self.about.get("cramers_v")
        self.notes: tuple[str, ...] = self.about.get("notes", ())

    def _head(self) -> Mapping[str, Any]:
        return self.about

    @property
    def head(self) -> str:
        """In a line, the share of all documents, and what the test found."""
        if self.share is None:
            return f"no documents, of which {self.expression} could fire in some"
        low, high = self.about["ci_low"], self.about["ci_high"]
        return (
            f"{self.expression} in {self.n_firing:,} of {several(self.n, 'document')}: "
            f"{self.share:.1%} ({low:.1%} to {high:.1%}){self._tested}"
        )

    @property
    def _tested(self) -> str:
        if self.p_value is None:
            return "; nothing to test"
        degrees = several(self.about["degrees"], "degree")
        found = f"{self.about['chi_squared']:.4g} of {degrees} of freedom, p {self.p_value:.2g}"
        return f"; chi-squared {found}, Cramér's V {self.cramers_v:.2g}"

    def _view(self, rows: Sequence[ValueShare]) -> View:
        return View(
            said=[self.head, *self.notes],
            header=(one_line(self.by), "share", "from", "to", "documents", "firing", "lift"),
            rows=[
                (
                    row.name,
                    Proportion(row.share),
                    Proportion(row.ci_low),
                    Proportion(row.ci_high),
                    row.n_documents,
                    row.n_firing,
                    row.lift,
                )
                for row in rows
            ],
        )
