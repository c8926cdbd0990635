"""Answers about two sets of texts as values: labels, hypotheses and verdicts."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from saelake.explaining.hypotheses.drawn import SideName
from saelake.explaining.hypotheses.quotes import found_quote
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable, by_schema
from saelake.language.replies import Reply
from saelake.store.requests.commands.labels import LONGEST_LABEL

# What a judge could not know: a property that names a set.
NAMES_SIDE = re.compile(
    r"\b(?:sets?|sides?|groups?|corpus|corpora|collections?|texts of|texts in) [AB]\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hypothesis:
    """That texts of a side have a property more often; `features` are those that it explains."""

    more_in: SideName
    statement: str
    features: tuple[int | str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadVerdict:
    """Whether a text has a property, and the passage of it that shows so."""

    holds: bool
    quote: str = ""


def label_of(prompt: Prompt, reply: Reply) -> str | Unreadable:
    """A feature's label."""
    found = by_schema(prompt, reply)
    return found if isinstance(found, Unreadable) else _phrase(found["label"], "label")


def _phrase(text: str, what: str) -> str | Unreadable:
    said = " ".join(text.split())
    if not said:
        return Unreadable(reason=f"the {what} is empty")
    if len(said) > LONGEST_LABEL:
        return Unreadable(reason=f"the {what} has {len(said):,} characters")
    return said


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
        statement = _phrase(str(each["property"]), "property")
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


class VerdictReader:
    """Reads verdicts, each with the text that its prompt is about."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}

    def about(self, prompt: Prompt, text: str) -> Prompt:
        """The prompt, whose answer is about this text."""
        self._texts[prompt.hash] = text
        return prompt

    def __call__(self, prompt: Prompt, reply: Reply) -> ReadVerdict | Unreadable:
        """The verdict: one that holds has a quote, which stands in the text."""
        found = by_schema(prompt, reply)
        if isinstance(found, Unreadable):
            return found
        if not found["holds"]:
            return ReadVerdict(holds=False)
        quote = found_quote(found["quote"], self._texts[prompt.hash])
        if quote is None:
            return Unreadable(reason="the quote does not stand in the text word for word")
        return ReadVerdict(holds=True, quote=quote)
