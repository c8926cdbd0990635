"""Answers about two sets of texts as values: labels and hypotheses."""

import re
from collections.abc import Mapping, Sequence

from saelake.explaining.claims.reading import phrase_of
from saelake.explaining.claims.verdicts import Hypothesis
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable, by_schema
from saelake.language.replies import Reply

# What a judge could not know: a property that names a set.
NAMES_SIDE = re.compile(
    r"\b(?:sets?|sides?|groups?|corpus|corpora|collections?|texts of|texts in) [AB]\b",
    re.IGNORECASE,
)


def label_of(prompt: Prompt, reply: Reply) -> str | Unreadable:
    """A feature's label."""
    found = by_schema(prompt, reply)
    return found if isinstance(found, Unreadable) else phrase_of(found["label"], "label")


class HypothesesReader:
    """Reads hypotheses about features, which are numbered from 1 in the prompt."""

    def __init__(self, features: Sequence[int | str]) -> None:
        self._features = features

    def __call__(self, prompt: Prompt, reply: Reply) -> tuple[Hypothesis, ...] | Unreadable:
        """The hypotheses; one that is there twice is one."""
        found = by_schema(prompt, reply)
        if isinstance(found, Unreadable):
            return found
        made: dict[str, Hypothesis] = {}
        for each in found["hypotheses"]:
            hypothesis = self._hypothesis(each)
            if isinstance(hypothesis, Unreadable):
                return hypothesis
            known = made.setdefault(hypothesis.statement.casefold(), hypothesis)
            if known.more_in != hypothesis.more_in:
                return Unreadable(reason=f"{known.statement!r} is said of both sets")
        return tuple(made.values())

    def _hypothesis(self, each: Mapping[str, object]) -> Hypothesis | Unreadable:
        statement = phrase_of(str(each["property"]), "property")
        if isinstance(statement, Unreadable):
            return statement
        if NAMES_SIDE.search(statement):
            return Unreadable(reason=f"the property {statement!r} names a set")
        numbers = [int(str(number)) for number in dict.fromkeys(_listed(each["features"]))]
        if any(not 1 <= number <= len(self._features) for number in numbers):
            return Unreadable(reason=f"there is no feature of a number in {numbers}")
        return Hypothesis(
            more_in="A" if each["more_in"] == "A" else "B",
            statement=statement,
            features=tuple(self._features[number - 1] for number in numbers),
        )


def _listed(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else []
