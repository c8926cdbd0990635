"""How far explainers of a dictionary agree, over the features that both label.

The Jaccard index of two labels is the number of words that are in both over that of words in
either; words are without case and stop words, and of automatic labels without `fires on`, `also on`
and `near`. Two labels without a word have 1 where they are the same text, else 0. The cosine is of
their vectors: where both have one of one sentence model, and both vectors are of texts, or both of
what features fire on (docs/decisions/007-labels.md), as the two are not alike. Of a pair both are
means over features.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from saelake.store.format.lists import Array, Lists
from saelake.store.labels.labels import LabelsTable
from saelake.store.labels.words import WORD
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.requests.agreement import AgreementQuery
from saelake.store.requests.commands.labels import AUTOMATIC
from saelake.store.snapshot.session import Session

MARKS = re.compile(r"(?:^|; )(?:fires on|also on|near) ")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExplainerLabels:
    """What an explainer calls features: by feature the text, its words, and a vector of length 1.

    A vector stands with what it can be compared with: its model, and whether it is automatic.
    """

    texts: Mapping[int, str]
    words: Mapping[int, frozenset[str]]
    vectors: Mapping[int, tuple[tuple[str, bool], Array]]


def agreement(session: Session, query: AgreementQuery) -> pa.Table:
    """A row for each pair of explainers that label a feature both, by their names.

    Raises `NotFound` for a dictionary or collection that does not exist.
    """
    dictionary = _dictionary(session, query.dictionary)
    known = LabelsTable.open(session.lake, dictionary, explainers=query.explainers)
    said = _by_explainer(known)
    pairs = combinations(sorted(said), 2)
    rows = [_compared(a, b, said[a], said[b]) for a, b in pairs]
    return pa.Table.from_pylist([row for row in rows if row["n"]], AgreementQuery.answer)


def _dictionary(session: Session, name: str) -> str:
    """The dictionary that is named, also by a collection."""
    if "/" in name:
        return session.collection(name).name.dictionary
    return RegisteredDictionary.open(session.lake, name).name


def _by_explainer(known: LabelsTable) -> dict[str, ExplainerLabels]:
    rows = known.each.select(["feature", "explainer", "label"]).to_pylist()
    explainers = {row["explainer"] for row in rows}
    texts: dict[str, dict[int, str]] = {name: {} for name in explainers}
    for row in rows:
        texts[row["explainer"]][row["feature"]] = row["label"]
    vectors = _vectors(known)
    return {
        name: ExplainerLabels(
            texts=texts[name],
            words={feature: _words(text, name) for feature, text in texts[name].items()},
            vectors=vectors.get(name, {}),
        )
        for name in explainers
    }


def _words(label: str, explainer: str) -> frozenset[str]:
    text = MARKS.sub(" ", label) if explainer.startswith(AUTOMATIC) else label
    words = {match.group().lower() for match in WORD.finditer(text)}
    return frozenset(word for word in words if word not in ENGLISH_STOP_WORDS)


def _vectors(known: LabelsTable) -> dict[str, dict[int, tuple[tuple[str, bool], Array]]]:
    columns = ["feature", "explainer", "embedder", "embedding"]
    rows = known.read(columns, where="embedding IS NOT NULL")
    lists = Lists.of(rows["embedding"].combine_chunks())
    found: dict[str, dict[int, tuple[tuple[str, bool], Array]]] = {}
    told = rows.select(columns[:3]).to_pylist()
    for row, start, end in zip(told, lists.offsets[:-1], lists.offsets[1:], strict=True):
        vector = lists.values[start:end].astype(np.float64)
        unit = vector / max(float(np.linalg.norm(vector)), 1e-30)
        space = row["embedder"], row["explainer"].startswith(AUTOMATIC)
        found.setdefault(row["explainer"], {})[row["feature"]] = space, unit
    return found


def _compared(name_a: str, name_b: str, a: ExplainerLabels, b: ExplainerLabels) -> dict[str, Any]:
    both = sorted(a.texts.keys() & b.texts.keys())
    same = [a.texts[f].strip().lower() == b.texts[f].strip().lower() for f in both]
    jaccard = [_jaccard(a.words[f], b.words[f], is_same=s) for f, s in zip(both, same, strict=True)]
    cosines = list(_cosines(a, b, both))
    return {
        "explainer_a": name_a,
        "explainer_b": name_b,
        "n": len(both),
        "n_same": sum(same),
        "jaccard": float(np.mean(jaccard)) if both else None,
        "n_cosine": len(cosines),
        "cosine": float(np.mean(cosines)) if cosines else None,
    }


def _jaccard(a: frozenset[str], b: frozenset[str], *, is_same: bool) -> float:
    either = len(a | b)
    return len(a & b) / either if either else float(is_same)


def _cosines(a: ExplainerLabels, b: ExplainerLabels, both: Sequence[int]) -> Iterator[float]:
    for feature in both:
        if feature not in a.vectors or feature not in b.vectors:
            continue
        (space_a, vector_a), (space_b, vector_b) = a.vectors[feature], b.vectors[feature]
        if space_a == space_b and len(vector_a) == len(vector_b):
            yield float(vector_a @ vector_b)
