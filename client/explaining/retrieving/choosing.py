"""Which features stand for a phrase: what a model is asked, and how its answer is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saelake.explaining.claims.asking import prompt_of
from saelake.explaining.retrieving.candidates import CandidateFeature
from saelake.language.fences import Fence
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable, by_schema
from saelake.language.replies import Reply
from saelake.language.shapes import list_of, object_of

MOST_FIT = 10
TOKENS, TOKENS_OF_EACH = 100, 20

_CHOICE = """You choose features of a language model, by which a search finds texts that have a \
property.

You see the property that is wanted and numbered labels of features: a label says what a text is \
about, or has in it, where its feature is active. Choose those features that are active in texts \
which have the property and seldom in others, the best first, at most {n}; leave out all others, \
also if they share a word with it. Say of each how well it fits, from 1 (somewhat) to 10 (it is \
just that).

{rule}

Answer with a JSON object: {{"features": [{{"number": 3, "fit": 9}}]}}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """A feature that a model chose, and how well it fits, from 1 to 10."""

    of: CandidateFeature
    fit: int

    @property
    def weight(self) -> float:
        """How much it counts."""
        return self.fit / MOST_FIT


def choice_schema(most: int) -> Mapping[str, Any]:
    """What a choice is answered in."""
    each = object_of(
        number={"type": "integer"}, fit={"type": "integer", "minimum": 1, "maximum": MOST_FIT}
    )
    return object_of(features=list_of(each, most))


def choosing(phrase: str, features: Sequence[CandidateFeature], most: int) -> Prompt:
    """Which of these features stand for a phrase."""
    labels = "\n".join(
        f"{number}. {' '.join(each.label.split())}" for number, each in enumerate(features, 1)
    )
    fence = Fence.around([phrase, labels])
    parts = ["The property:", fence.put("property", phrase), "Labels:", fence.put("labels", labels)]
    system = _CHOICE.format(n=most, rule=fence.rule)
    return prompt_of(system, parts, TOKENS + TOKENS_OF_EACH * most, choice_schema(most))


class ChoiceReader:
    """Reads choices of features, which are numbered from 1 in the prompt."""

    def __init__(self, features: Sequence[CandidateFeature]) -> None:
        self._features = features

    def __call__(self, prompt: Prompt, reply: Reply) -> tuple[ModelChoice, ...] | Unreadable:
        """The features, those that fit best first, and as they were said where alike."""
        found = by_schema(prompt, reply)
        if isinstance(found, Unreadable):
            return found
        numbers = [each["number"] for each in found["features"]]
        if any(not 1 <= number <= len(self._features) for number in numbers):
            return Unreadable(reason=f"there is no label of a number in {numbers}")
        if len(set(numbers)) < len(numbers):
            return Unreadable(reason=f"a number stands twice in {numbers}")
        made = [
            ModelChoice(of=self._features[each["number"] - 1], fit=int(each["fit"]))
            for each in found["features"]
        ]
        return tuple(sorted(made, key=lambda choice: -choice.fit))
