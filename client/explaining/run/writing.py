"""What of a run goes into a lake, and which labels are there: the one place that knows how."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from saelake.answers.labels import Label
from saelake.answers.text import named
from saelake.collection import Collection
from saelake.dictionary import Dictionary
from saelake.explaining.run.explained import ExplainedFeature, JudgedScore, LabelOrigin
from saelake.store.format.poles import numbered
from saelake.store.format.provenance import LabelMade, LabelScore
from saelake.store.requests.commands.labels import AUTOMATIC, NewLabel

OF_ITSELF = AUTOMATIC.rstrip(":")  # what stands for all automatic labels


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingLabel:
    """What a feature is called already, by whom; which model made it by which prompt, and scores.

    `model` and the hash of the `prompt` are None where there was none, or nobody said which.
    """

    label: str
    explainer: str
    model: str | None = None
    prompt: str | None = None
    scores: tuple[LabelScore, ...] = ()


def write_labels(collection: Collection, explained: Sequence[ExplainedFeature]) -> None:
    """Call features what was found, in place of what their explainers called them: a commit each.

    A label that is there gets the scores of these kinds in place of those that it had.
    """
    theirs = defaultdict[str, list[NewLabel]](list)
    for each in explained:
        theirs[each.explainer].append(_new(each))
    for explainer, labels in theirs.items():
        collection.dictionary.set_labels(labels, explainer=explainer)


def _new(each: ExplainedFeature) -> NewLabel:
    return NewLabel(
        feature=numbered(str(each.feature)),
        label=each.label,
        scores=tuple(map(_score, each.scores)),
        made=None if each.made is None else _made(each.made),
    )


def _score(score: JudgedScore) -> LabelScore:
    """With an interval that holds it, of which the ends are rounded."""
    found = score.estimate
    return LabelScore(
        kind=score.kind,
        value=found.value,
        low=min(found.low, found.value),
        high=max(found.high, found.value),
        n=found.n,
        by=score.by,
        on=score.on,
    )


def _made(origin: LabelOrigin) -> LabelMade:
    return LabelMade(
        model=origin.model,
        prompt=origin.prompt,
        examples=origin.examples,
        prompt_tokens=origin.n_prompt_tokens,
        completion_tokens=origin.n_completion_tokens,
        cost=origin.cost,
        time=origin.time,
    )


def standing_labels(
    collection: Collection, names: Sequence[str], explainer: str
) -> Mapping[str, StandingLabel]:
    """What an explainer called these features: of `auto` what saelake itself did.

    Of automatic labels of several corpora that of the collection's own.
    """
    if not names:
        return {}
    known = set(names)
    found = {str(named(r.feature, r.pole)): r for r in _rows(collection, names, explainer)}
    return {name: _standing(row) for name, row in found.items() if name in known}


def _rows(collection: Collection, names: Sequence[str], explainer: str) -> Iterable[Label]:
    """Of each feature the one that counts last."""
    dictionary = Dictionary(collection.name, collection.transport)
    if explainer != OF_ITSELF:
        return dictionary.labels(features=names, k=None, explainers=explainer)
    rows = dictionary.labels(features=names, k=None, every_explainer=True)
    own = f"{AUTOMATIC}{collection.name.partition('/')[0]}"
    automatic = [row for row in rows if row.explainer.startswith(AUTOMATIC)]
    return sorted(automatic, key=lambda row: row.explainer == own)


def _standing(row: Label) -> StandingLabel:
    return StandingLabel(
        label=row.label,
        explainer=row.explainer,
        model=None if row.made is None else row.made.model,
        prompt=None if row.made is None else row.made.prompt,
        scores=row.scores,
    )
