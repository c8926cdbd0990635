"""What a reply says: a value, or why it cannot be read. Nothing is guessed."""

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from saelake.language.reading import Unreadable
from saelake.language.replies import TokenChances
from saelake.store.requests.commands.labels import LONGEST_LABEL

STRONGEST = 10
_EXPLANATION, _RESPONSE = re.compile(r"\[EXPLANATION\]:"), re.compile(r"\[RESPONSE\]:")
_LIST = re.compile(r"\[[^\[\]]*\]")
_FENCE = re.compile(r"\A\s*```[a-z]*\n(.*)\n```\s*\Z", re.DOTALL)


def explanation(text: str) -> str | Unreadable:
    """What stands after [EXPLANATION]:, which must stand there once."""
    parts = _EXPLANATION.split(text)
    if len(parts) != 2:
        return Unreadable(
            reason=f"[EXPLANATION]: stands {len(parts) - 1} times in the reply, not once"
        )
    return _label(parts[1])


def explanation_in_json(text: str) -> str | Unreadable:
    """The explanation of a reply that is a JSON object with nothing else."""
    found = _object(text)
    if isinstance(found, Unreadable):
        return found
    said = found.get("explanation")
    if set(found) != {"explanation"} or not isinstance(said, str):
        return Unreadable(reason="the reply is not an object with an explanation alone")
    return _label(said)


def choices(text: str, n: int) -> tuple[bool, ...] | Unreadable:
    """The `n` answers of a reply with one list of 0 and 1."""
    lists = _LIST.findall(text)
    if len(lists) != 1:
        return Unreadable(reason=f"the reply has {len(lists)} lists, not one")
    try:
        said = json.loads(lists[0].lower())
    except ValueError:
        return Unreadable(reason="the list is not one of 0 and 1")
    if any(not isinstance(each, int) or each not in (0, 1) for each in said):
        return Unreadable(reason="the list is not one of 0 and 1")
    if len(said) != n:
        return Unreadable(reason=f"the list has {len(said)} answers for {n} examples")
    return tuple(bool(each) for each in said)


def probabilities(reply: Sequence[TokenChances], n: int) -> tuple[float, ...] | Unreadable:
    """How probable a 1 was in the place of each of `n` answers, against a 0 (delphi).

    Of the likeliest tokens in that place those with a 0 count for no, others with a 1 for yes.
    """
    places = [place for place in reply if "0" in place.token or "1" in place.token]
    if len(places) != n:
        return Unreadable(reason=f"the reply has {len(places)} tokens of 0 and 1 for {n} examples")
    return tuple(_probability(_likely(place)) for place in places)


def _likely(place: TokenChances) -> dict[str, float]:
    """The log-probabilities of what could stand in a place: a server may leave out what stands."""
    return {place.token: place.logprob, **dict(place.alternatives)}


def _probability(top: Mapping[str, float]) -> float:
    no = sum(math.exp(logprob) for token, logprob in top.items() if "0" in token)
    yes = sum(math.exp(p) for token, p in top.items() if "1" in token and "0" not in token)
    return yes / (yes + no) if yes + no else 0.0


def intruder(text: str, n: int) -> int | Unreadable:
    """The number after [RESPONSE]:, which must stand there once and name one of `n` examples."""
    parts = _RESPONSE.split(text)
    if len(parts) != 2:
        return Unreadable(
            reason=f"[RESPONSE]: stands {len(parts) - 1} times in the reply, not once"
        )
    said = parts[1].strip()
    if not re.fullmatch(r"\d{1,3}", said, re.ASCII) or int(said) >= n:
        return Unreadable(reason=f"the response is none of the examples 0 to {n - 1}")
    return int(said)


def simulated(
    text: str, n_tokens: int, reply: Sequence[TokenChances] = ()
) -> tuple[float, ...] | Unreadable:
    """The strength of each token, 0 to 10; where log-probabilities came, its expected value."""
    found = _object(text)
    if isinstance(found, Unreadable):
        return found
    rows = found.get("activations")
    if not isinstance(rows, list) or len(rows) != n_tokens:
        n = len(rows) if isinstance(rows, list) else "no"
        return Unreadable(reason=f"the reply has {n} activations for {n_tokens} tokens")
    values = [row.get("activation") if isinstance(row, dict) else None for row in rows]
    strengths = tuple(float(value) for value in values if _is_strength(value))
    if len(strengths) < n_tokens:
        return Unreadable(reason=f"an activation is not a number from 0 to {STRONGEST}")
    expected = _expected(reply)
    return expected if len(expected) == n_tokens else strengths


def _is_strength(value: Any) -> TypeGuard[float]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and 0 <= value <= STRONGEST


def _expected(reply: Sequence[TokenChances]) -> tuple[float, ...]:
    """The expected value in the place of each activation; none where they cannot be told."""
    before, found = "", []
    for place in reply:
        is_value = re.search(r'"activation"\s*:\s*\Z', before) and place.token.strip().isdigit()
        if is_value:
            found.append(expected_value(_likely(place)))
        before = (before + place.token)[-40:]
    return tuple(value for value in found if value is not None) if None not in found else ()


def expected_value(top: Mapping[str, float]) -> float | None:
    """The mean of the whole numbers from 0 to 10 among tokens, weighted by their probabilities.

    None where there is none of them (Bills et al. 2023, language models can explain neurons).
    """
    likely = {
        token: math.exp(logprob)
        for token, logprob in top.items()
        if token.strip().isdecimal() and int(token) <= STRONGEST
    }
    total = sum(likely.values())
    return sum(int(token) * p for token, p in likely.items()) / total if total else None


def _object(text: str) -> dict[str, Any] | Unreadable:
    """The JSON object that the whole reply is, in a fence or without."""
    fenced = _FENCE.match(text)
    try:
        found = json.loads(fenced[1] if fenced else text, parse_constant=_refused)
    except (ValueError, RecursionError):
        return Unreadable(reason="the reply is not JSON")
    return found if isinstance(found, dict) else Unreadable(reason="the reply is not a JSON object")


def _refused(name: str) -> Any:
    raise ValueError(name)


def _label(text: str) -> str | Unreadable:
    said = text.strip()
    if not said:
        return Unreadable(reason="the explanation is empty")
    if len(said) > LONGEST_LABEL:
        return Unreadable(
            reason=f"the explanation has {len(said):,} characters, above {LONGEST_LABEL:,}"
        )
    return said
