"""What goes with a value of a column, in words: documents that have it against those with another.

It is the comparison of these two sides. In place of the features that differ most stand those by
which the value is told best (`associate`), in the documents that are not held back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from saelake.answers.associations import Association, Associations
from saelake.answers.differences import Difference
from saelake.answers.text import named
from saelake.answers.values import ValueCount
from saelake.collection import Collection
from saelake.explaining.claims.estimating import StageEstimate
from saelake.explaining.claims.stages import Told
from saelake.explaining.hypotheses.comparing import compare
from saelake.explaining.hypotheses.contrasts import (
    DifferingFeature,
    FoundFeatures,
    differences,
)
from saelake.explaining.hypotheses.estimating import estimate
from saelake.explaining.hypotheses.options import HypothesisOptions
from saelake.explaining.hypotheses.report import HypothesisReport
from saelake.language.settings import LanguageSettings
from saelake.store.errors import InvalidInput

OF_NUMBERS = ("Spearman", "Moran")  # how their statistics are called
NOTHING = 0.5  # the area of a feature that says nothing of the class
SAID = 5  # values that are named where none was


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueOfColumn:
    """The documents with a value of a column and those with another, and the features that tell.

    `category` is what `associate` calls the value; `is_one_of_two`: there is one other.
    """

    category: str
    is_one_of_two: bool
    a: Collection
    b: Collection
    rows: Associations

    def features(self, a: Collection, b: Collection, options: HypothesisOptions) -> FoundFeatures:
        """The features by which this value is told best from the rest, those that tell most first.

        Of more values than two only those that tell no other value better.
        """
        shares = {named(row.feature, row.pole): row for row in differences(a, b, options)}
        found = [row for row in self.rows if self._tells(row, options)]
        known = [row for row in found if named(row.feature, row.pole) in shares]
        return FoundFeatures(
            features=tuple(
                self._feature(row, shares[named(row.feature, row.pole)])
                for row in known[: options.n_features]
            ),
            test=f"{self.rows.statistic}, {self.rows.about['test']}",
            n_tested=self.rows.n_tested,
            notes=self.rows.notes,
            state=self.rows.state,
        )

    def _tells(self, row: Association, options: HypothesisOptions) -> bool:
        if row.effect in (None, NOTHING) or row.q_value is None:
            return False
        is_sure = row.q_value < options.feature_level or options.feature_level == 1
        return is_sure and (self.is_one_of_two or row.category == self.category)

    def _feature(self, row: Association, share: Difference) -> DifferingFeature:
        """A feature with its shares; of two classes one is measured, maybe the other."""
        is_stronger = (row.effect or 0.0) > NOTHING
        return DifferingFeature(
            feature=named(row.feature, row.pole),
            more_in="A" if is_stronger == (row.category == self.category) else "B",
            frequency_a=share.frequency_a or 0.0,
            frequency_b=share.frequency_b or 0.0,
            q_value=1.0 if row.q_value is None else row.q_value,
            stored=row.label,
        )


def value_of_column(
    collection: Collection, column: str, value: str | None, options: HypothesisOptions
) -> ValueOfColumn:
    """The sides of a value; of two values the one that `associate` measures, if none is named.

    Raises `InvalidInput` of a column without classes, and for a value that is not there.
    """
    rows = collection.associate(
        column,
        k=None,
        cluster_by=options.cluster_by,
        confirm=True,
        confirm_share=options.held_back,
    )
    if rows.statistic.startswith(OF_NUMBERS):
        raise InvalidInput(
            f"{column} has numbers, and what goes with a value is told of classes: compare two "
            f'selections, as `saelake diff "… where {column} > 8" "… where {column} < 3" '
            "--explain`.",
            column=column,
        )
    counts = [row for row in collection.values(column, k=None) if row.kind == "value"]
    categories = {row.category for row in rows if row.category is not None}
    if value is None and len(counts) == 2 and len(categories) == 1:
        (value,) = categories
    said = _counted(column, value, counts)
    if said.where is None:
        raise InvalidInput(
            f"No filter says that {column} is {said.value!r}: select two sides, and compare them "
            "with `saelake diff --explain`.",
            column=column,
        )
    return ValueOfColumn(
        category=_category(said.value or "", categories),
        is_one_of_two=len(counts) == 2,
        a=collection.where(said.where),
        b=collection.where(f"NOT ({said.where})"),
        rows=rows,
    )


def _counted(column: str, value: str | None, counts: Sequence[ValueCount]) -> ValueCount:
    """The row of a value; lower and upper case are alike where only one is meant by it."""
    wanted = [row for row in counts if value is not None and row.value == value] or [
        row for row in counts if value and (row.value or "").casefold() == value.casefold()
    ]
    if len(wanted) == 1:
        return wanted[0]
    some = ", ".join(row.name for row in counts[:SAID]) + (", …" if len(counts) > SAID else "")
    wrong = "Name the value" if value is None else f"{column} has no value {value!r}"
    raise InvalidInput(f"{wrong}: --value with one of {some}.", column=column)


def _category(value: str, categories: set[str]) -> str:
    """What `associate` calls a value: truths begin with a capital there."""
    if value in categories:
        return value
    return next((each for each in categories if each.casefold() == value.casefold()), value)


def explain_value(
    collection: Collection,
    column: str,
    settings: LanguageSettings,
    *,
    value: str | None = None,
    options: HypothesisOptions | None = None,
    run: str | None = None,
    cache: Path | str | None = None,
    told: Told | None = None,
) -> HypothesisReport:
    """What goes with a value of a column, in words, by a model of a server, judged and tested.

    A are the documents with the value (of two values it need not be named) and B those with
    another; documents without one are on neither side. See `compare` for the rest. Raises
    `InvalidInput` of a column without classes, and for a value that is not there.

    >>> explain_value(reviews, "label", settings, value="pos")  # doctest: +SKIP
    """
    chosen = options or HypothesisOptions()
    of = value_of_column(collection, column, value, chosen)
    return compare(
        of.a,
        of.b,
        settings,
        options=chosen,
        run=run or f"associate {collection.selection} {column}",
        cache=cache,
        told=told,
        source=of.features,
    )


def estimate_value(
    collection: Collection,
    column: str,
    settings: LanguageSettings,
    *,
    value: str | None = None,
    options: HypothesisOptions | None = None,
    cache: Path | str | None = None,
) -> tuple[StageEstimate, ...]:
    """What `explain_value` would take, stage by stage; the lake is read, and nothing asked."""
    chosen = options or HypothesisOptions()
    of = value_of_column(collection, column, value, chosen)
    return estimate(of.a, of.b, settings, options=chosen, cache=cache, source=of.features)
