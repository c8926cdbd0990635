"""Groups of the made texts, and a model that names them by their first feature."""

import json
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa

from saelake.answers.clusters import Clusters
from saelake.answers.families import Families
from saelake.collection import Collection
from saelake.explaining.naming import NamingOptions
from saelake.store.requests.cluster import CLUSTERS
from saelake.store.requests.families import FAMILIES
from tests.client.explaining.hypotheses.made import parts
from tests.language_server import Asked, Say, Step

FEWER = NamingOptions(n_judged=30, n_tokens=64)


def clusters_of(groups: Sequence[Sequence[int]]) -> Clusters:
    """Clusters of these documents, as an answer has them."""
    rows = [
        {
            "cluster": number,
            "n_documents": len(docs),
            "features": [],
            "central": [],
            "docs": sorted(docs),
            "centrality": [1 / (1 + doc % 7) for doc in sorted(docs)],
        }
        for number, docs in enumerate(groups)
    ]
    table = pa.Table.from_pylist(rows, CLUSTERS)
    said = {"n": str(sum(map(len, groups))), "n_left_out": "0"}
    return Clusters(table.replace_schema_metadata(said))


def by_label(n: int = 400) -> Clusters:
    """The texts of `pos`, of which most have rain, and those of `neg`."""
    return clusters_of([range(0, n, 2), range(1, n, 2)])


def by_chance(n: int, n_groups: int, seed: int) -> Clusters:
    """Texts dealt to groups by chance."""
    chance = random.Random(seed)
    of = [chance.randrange(n_groups) for _ in range(n)]
    return clusters_of([[d for d in range(n) if of[d] == g] for g in range(n_groups)])


def family_of(*features: Sequence[int]) -> Families:
    """Families of these features."""
    rows = [
        {
            "family": number,
            "n_features": len(of),
            "n_pairs": len(of) - 1,
            "mean_npmi": 0.7,
            "features": list(of),
            "labels": [None] * len(of),
        }
        for number, of in enumerate(features)
    ]
    return Families(pa.Table.from_pylist(rows, FAMILIES))


def named(asked: Asked) -> str:
    """The first word of the first feature, if that stands in << >> too."""
    word = re.search(r"“(.+?)”", parts(asked).get("features", ""))
    marked = re.findall(r"<<\s*(\S+?)\s*>>", asked.text)
    return f"the word {word[1]}" if word and word[1] in marked else "the word nothing"


def judged(text: str, statement: str) -> str:
    """A judge that looks for the last word of the name."""
    word = statement.split()[-1]
    found = re.search(rf"\S*{word}\S*", text)
    return json.dumps({"holds": found is not None, "quote": found[0] if found else ""})


def namer(
    name: Callable[[Asked], str] = named, judge: Callable[[str, str], str] = judged
) -> Callable[[Asked], Step]:
    """A model that names so, and judges by words."""

    def script(asked: Asked) -> Step:
        found = parts(asked)
        if "property" in found:
            return Say(judge(found["text"], found["property"]))
        return Say(json.dumps({"name": name(asked)}))

    return script


def texts(collection: Collection, n: int = 400) -> list[str]:
    """Every text by its number."""
    return [collection.document(doc=doc, features=()).text for doc in range(n)]


def slowly(script: Callable[[Asked], Step], delay_s: float) -> Callable[[Asked], Step]:
    """Those answers, each after a moment."""

    def slow(asked: Asked) -> Step:
        step = script(asked)
        assert isinstance(step, Say)
        return replace(step, delay_s=delay_s)

    return slow
