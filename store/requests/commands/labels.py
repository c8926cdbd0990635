"""Commands about what features are called."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.format.provenance import (
    MADE,
    SCORE,
    LabelMade,
    LabelScore,
    check_made,
    check_scores,
)
from saelake.store.reports import LabelsReport
from saelake.store.requests.commands.command import Command

BY_HAND = "hand"  # the explainer of labels of which nobody says whose they are
NAMES = "names"  # the explainer of the names that features of codes from elsewhere came with
LONGEST_LABEL, LONGEST_EXPLAINER = 4000, 200
MOST_LABELS = 1000
AUTOMATIC = "auto:"  # how the explainers of labels begin that nobody wrote or read


@dataclass(frozen=True, slots=True, kw_only=True)
class NewLabel:
    """What a feature is to be called (see `format.poles` for those of signed dictionaries).

    Of the same text again, scores of kinds that are not given stay, and what made it.
    """

    feature: int
    label: str
    scores: tuple[LabelScore, ...] = ()
    made: LabelMade | None = None


@dataclass(frozen=True, kw_only=True)
class SetLabelsCommand(Command, right="label", report=LabelsReport):
    """Call features of a dictionary something; an explainer has one label of each feature.

    The labels of other features stay, and what was said before can be asked for. With `expect` it
    is only done where the explainer's label of each of these features is this now, empty for none;
    else it is a `Conflict`.

    Automatic labels are scored so and not made: where one is not of this text, it is a `Conflict`.
    """

    dictionary: str
    labels: tuple[NewLabel, ...]
    explainer: str = BY_HAND
    expect: str | None = None

    def check(self) -> None:
        """See `Command`."""
        if self.explainer.startswith(AUTOMATIC):
            _check_only_scored(self.explainer, self.labels)
        else:
            check_explainer(self.explainer)
        if not 0 < len(self.labels) <= MOST_LABELS:
            raise InvalidInput(
                f"From 1 to {MOST_LABELS} labels are set at once, not {len(self.labels)}: import "
                "a file of more."
            )
        for new in self.labels:
            check_new(new)

    @property
    def corpora(self) -> tuple[str, ...]:
        """See `Command`."""
        return ()  # a dictionary is of no corpus


@dataclass(frozen=True, kw_only=True)
class DeleteLabelsCommand(Command, right="label", report=LabelsReport):
    """Take back what an explainer called these features, or all (without `features`)."""

    dictionary: str
    explainer: str = BY_HAND
    features: tuple[int, ...] | None = None

    @property
    def corpora(self) -> tuple[str, ...]:
        """See `Command`."""
        return ()  # a dictionary is of no corpus


@dataclass(frozen=True, kw_only=True)
class ImportLabelsCommand(Command, right="label", report=LabelsReport, has_rows=True):
    """Put labels in place of all that the same explainers said, by one commit.

    With `keep_others` only of what they said of the same features: so labels come in parts, and a
    part that comes again changes nothing. The rows have the columns `feature`, `label` and
    `explainer`, and may have `scores` and `made`; a feature is numbered as in a question.
    """

    ROWS: ClassVar[pa.Schema] = pa.schema(
        [
            pa.field("feature", pa.int64()),
            pa.field("label", pa.string()),
            pa.field("explainer", pa.string()),
            pa.field("scores", pa.list_(SCORE)),
            pa.field("made", MADE),
        ]
    )
    NEEDED: ClassVar[tuple[str, ...]] = ("feature", "label", "explainer")

    dictionary: str
    keep_others: bool = False

    @property
    def corpora(self) -> tuple[str, ...]:
        """See `Command`."""
        return ()  # a dictionary is of no corpus


LabelsCommand = SetLabelsCommand | DeleteLabelsCommand | ImportLabelsCommand


def check_explainer(explainer: str) -> None:
    """Raise `InvalidInput` for what cannot be called an explainer."""
    _check_name(explainer)
    if explainer.startswith(AUTOMATIC):
        raise InvalidInput(
            f"{explainer!r} is an explainer of automatic labels, which `saelake label` makes.",
            explainer=explainer,
        )


def _check_name(explainer: str) -> None:
    if not explainer.strip() or len(explainer) > LONGEST_EXPLAINER:
        raise InvalidInput(f"An explainer has a name of up to {LONGEST_EXPLAINER} characters.")


def _check_only_scored(explainer: str, labels: Iterable[NewLabel]) -> None:
    """Raise `InvalidInput` for automatic labels that are to be written."""
    _check_name(explainer)
    if any(not new.scores or new.made is not None for new in labels):
        raise InvalidInput(
            f"{explainer!r} is an explainer of automatic labels, which `saelake label` makes: they "
            "can be given scores, and nothing else.",
            explainer=explainer,
        )


def check_new(new: NewLabel) -> None:
    """Raise `InvalidInput` for what cannot be said of a feature."""
    check_label(new.label)
    check_scores(new.scores)
    check_made(new.made)


def check_label(label: str) -> None:
    """Raise `InvalidInput` for a label that says nothing, or too much."""
    if not label.strip():
        raise InvalidInput("An empty label says nothing: to take one back, delete it.")
    if len(label) > LONGEST_LABEL:
        raise InvalidInput(f"A label has at most {LONGEST_LABEL:,} characters, not {len(label):,}.")
