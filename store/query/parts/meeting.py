"""Tokens of some documents at which an expression holds, from the documents' codes."""

import numpy as np

from saelake.store.codes.table import CodesTable, Occurrences
from saelake.store.format.lists import Array, concatenate, runs
from saelake.store.query.parts.candidates import Asked
from saelake.store.query.parts.expression import NOTHING, FeatureTerm, Values, signs
from saelake.store.query.parts.matches import TokensFound


def meeting(
    codes: CodesTable, docs: Array, asked: Asked, *, best_only: bool, characters: bool = False
) -> TokensFound:
    """The matches in these documents, which are read at once; of each all, or only the best.

    With `characters` it is known where they are in their texts: to read that by itself takes half
    as long as to read the codes, and with them a tenth.
    """
    from saelake.store.arrays.windows import window_maxima  # opening a lake needs no numba

    features = {term.number for term in asked.expression.features()}
    fired, spans = codes.fired(docs, sorted(features), characters=characters)
    span = 1 + max((int(f.position.max()) for f in fired.values() if len(f)), default=0)
    keys = {number: found.index * span + found.position for number, found in fired.items()}
    positive = list(asked.expression.positive())
    held = [_held(term, fired[term.number], keys[term.number]) for term in positive]
    anchors = np.sort(concatenate((places for places, _ in held), np.int64))
    anchors = anchors[runs(anchors)]

    def value_of(term: FeatureTerm) -> Values:
        return window_maxima(
            keys[term.number], fired[term.number].value, anchors, asked.reach, span
        )

    value = asked.expression.evaluate(value_of)
    at = np.stack([window_maxima(*found, anchors, 0, span) for found in held])
    own = at.max(axis=0)
    sign = signs(asked.expression, value_of, value, asked.poles)
    if asked.poles.signed:  # where the token itself is as strong, its own
        own_sign = asked.poles.signs(np.array([term.number for term in positive]))
        sign = np.where(own == value, own_sign[at.argmax(axis=0)], sign)
    matches = TokensFound.of_documents(docs[anchors // span], anchors % span, value, sign, own)
    matches = matches[value > NOTHING]
    matches = _best_of_each(matches) if best_only else matches
    if spans is None:
        return matches
    return matches.with_characters(*spans.at(docs.searchsorted(matches.doc), matches.position))


def _held(term: FeatureTerm, fired: Occurrences, keys: Array) -> tuple[Array, Array]:
    """Where a feature fires as asked, and its values."""
    holds = term.holds(fired.value)
    return keys[holds], fired.value[holds]


def _best_of_each(matches: TokensFound) -> TokensFound:
    """Of each document the strongest token, of equals that which is itself strongest, or first."""
    order = np.lexsort((matches.position, -matches.own, -matches.value, matches.doc))
    return matches[order[runs(matches.doc[order])]]
