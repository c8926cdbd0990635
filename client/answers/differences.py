"""How features differ between two sides.

`pole` is + or - where the dictionary is signed, and tells which pole of the feature is meant; of
others it is None.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import pyarrow as pa

from saelake.answers import about
from saelake.answers.answer import Answer
from saelake.answers.drawing import MOST, SIGNIFICANT
from saelake.answers.text import labelled, named, one_line
from saelake.answers.view import Cell, Passage, Proportion, View
from saelake.store.errors import extra


def _proportion(value: float | None) -> Cell:
    return None if value is None else Proportion(value)


def _passage(example: "Example | None") -> Cell:
    return None if example is None else Passage(*example.parts, 1.0, f"{example.value:.4g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A feature's strongest token, with the text around it (see `Hit`)."""

    doc: int
    id: str
    position: int
    value: float
    token: str
    text: str
    token_start: int
    token_length: int

    @property
    def parts(self) -> tuple[str, str, str]:
        """The text before the token, the token, and the text after it."""
        end = self.token_start + self.token_length
        return self.text[: self.token_start], self.text[self.token_start : end], self.text[end:]

    @property
    def marked(self) -> str:
        """The text in one line, with the token in << >>."""
        return str(Passage(*self.parts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How often a feature fires on two sides.

    `relative` is the difference over the larger frequency; `log_odds` has half a document added to
    each count. `against` is the selection on the other side; `q_value` is Benjamini and Hochberg's
    over all features tested. The interval of the difference is `ci_low` to `ci_high`.
    `raw_frequency_a` and `raw_frequency_b` are of all documents, where the frequencies are of those
    that were aligned, or of strata. `confirmed_` values are of the documents held back, and None
    for features that were not tested again. What could not be compared is None.
    """

    feature: int
    pole: str | None = None
    frequency_a: float | None
    frequency_b: float | None
    difference: float | None
    relative: float | None
    log_odds: float | None
    p_value: float | None
    q_value: float | None
    ci_low: float | None = None
    ci_high: float | None = None
    raw_frequency_a: float | None = None
    raw_frequency_b: float | None = None
    confirmed_difference: float | None = None
    confirmed_p_value: float | None = None
    confirmed_q_value: float | None = None
    against: str
    label: str | None
    example_a: Example | None
    example_b: Example | None

    @property
    def example(self) -> "Example | None":
        """The example of the side where the feature is more frequent."""
        more = self.difference
        if more is None:  # nothing was compared within strata
            more = (self.raw_frequency_a or 0) - (self.raw_frequency_b or 0)
        return self.example_a if more > 0 else self.example_b

    @classmethod
    def of(
        cls,
        *,
        example_a: Mapping[str, Any] | None,
        example_b: Mapping[str, Any] | None,
        **row: Any,
    ) -> Self:
        """The difference of a row."""
        a, b = (None if e is None else Example(**e) for e in (example_a, example_b))
        return cls(example_a=a, example_b=b, **row)

    @property
    def interval(self) -> str:
        """The interval of the difference in percentage points, as text; empty if unknown."""
        if self.ci_low is None or self.ci_high is None:
            return ""
        return f"{100 * self.ci_low:+.1f} to {100 * self.ci_high:+.1f}"


class Diff(Answer[Difference]):
    """Features by how differently often they fire.

    `n_a` and `n_b` count the documents or tokens that were compared (of several others the first);
    `others` are what a was compared with, and of several each row's `against` is the one in which
    the feature is most frequent; where documents are aligned or something is controlled for, most
    frequent compared with a: the one of the smallest a - b. `n_tested` features were tested, by
    `test`: two-sided, and where it is not symmetric (mid-p, gamma) twice the smaller tail. `notes`
    are sentences that must be read with the
    numbers, and `about` has all that is said of the whole answer.
    """

    def __init__(self, table: pa.Table) -> None:
        super().__init__(table, Difference.of)
        self.about = about.said(table)
        self.n_a: int = self.about["n_a"]
        self.n_b: int = self.about["n_b"]
        self.n_tested: int = self.about["n_tested"]
        self.test: str = self.about["test"]
        self.unit: str = self.about.get("unit", "document")
        self.level: float = self.about.get("level", 0.95)
        self.others: tuple[str, ...] = self.about.get("others", ())
        self.notes: tuple[str, ...] = self.about.get("notes", ())

    def _head(self) -> Mapping[str, Any]:
        return self.about

    @property
    def head(self) -> str:
        """In a line, what was compared and how."""
        unit, said = self.unit if self.n_a == 1 else f"{self.unit}s", self.about
        lengths = ""
        if "length_a" in said:
            a, b = said["length_a"], said["length_b"]
            counted = said.get("length_unit", "token")
            lengths = f"; median length {a:,.0f} against {b:,.0f} {counted}s"
        return (
            f"{self.n_a:,} {unit} against {self.n_b:,}{lengths}; "
            f"{self.n_tested:,} {'feature' if self.n_tested == 1 else 'features'} tested: "
            f"{one_line(self.test)}; q: Benjamini-Hochberg"
        )

    def plot(self, *, level: float = SIGNIFICANT, most: int = MOST, seed: int = 0) -> Any:
        """An `altair.LayerChart`: how often each feature of the answer fires in a, and in b.

        Axes are logarithmic, with the diagonal, and a place for 0. Features of q below `level` are
        marked; hovering says counts, the interval, q and the label; above stands how many were
        compared, the test, its correction, and the notes. Of more than `most` features those of q
        below `level` are drawn first, others by chance, by `seed`, and the title says so. Ask
        `diff(…, k=None)` for all features. Raises `InvalidInput`, and `MissingExtra` without
        Altair.
        """
        with extra("plots", "A plot"):
            from saelake.answers.plots.sides import sides
        table, about = self.to_arrow(), self.about
        return sides(table, about, self.head, level=level, most=most, seed=seed)

    def _view(self, rows: Sequence[Difference]) -> View:
        again, several = "confirm_share" in self.about, len(self.others) > 1
        numbers = ("frequency a", "frequency b", "difference", f"{self.level:.0%} interval", "q")
        return View(
            said=[self.head, *self.notes],
            header=(
                "feature",
                *numbers,
                *(["q again"] if again else []),
                *(["against"] if several else []),
                "label",
                "example",
            ),
            rows=[
                (
                    named(d.feature, d.pole),
                    _proportion(d.frequency_a),
                    _proportion(d.frequency_b),
                    d.difference,
                    d.interval,
                    d.q_value,
                    *([d.confirmed_q_value] if again else []),
                    *([d.against] if several else []),
                    labelled(d.label),
                    _passage(d.example),
                )
                for d in rows
            ],
        )
