"""What of a run goes into a lake, and which labels are there: the one place that knows how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saelake.answers.text import named
from saelake.collection import Collection
from saelake.explaining.run.explained import ExplainedFeature
from saelake.store.requests.commands.labels import AUTOMATIC

OF_ITSELF = AUTOMATIC.rstrip(":")  # what stands for all automatic labels


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingLabel:
    """What a feature is called already, and by whom."""

    label: str
    explainer: str


def write_labels(
    collection: Collection, explainer: str, explained: Sequence[ExplainedFeature]
) -> None:
    """Call features what was found, by one commit, in place of what the explainer called them."""
    labels = {str(each.feature): each.label for each in explained}
    collection.dictionary.set_labels(labels, explainer=explainer)


def standing_labels(
    collection: Collection, names: Sequence[str], explainer: str | None
) -> Mapping[str, StandingLabel]:
    """What these features are called, by an explainer: of `auto` those that saelake made."""
    rows = collection.labels(features=tuple(names), k=None) if names else ()
    return {
        str(named(row.feature, row.pole)): StandingLabel(label=row.label, explainer=row.explainer)
        for row in rows
        if explainer is None or _is_by(row.explainer, explainer)
    }


def _is_by(explainer: str, wanted: str) -> bool:
    return explainer.startswith(AUTOMATIC) if wanted == OF_ITSELF else explainer == wanted
