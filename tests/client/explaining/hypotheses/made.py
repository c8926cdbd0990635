"""A lake in which texts of one label speak of rain more often, and judges that read words."""

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

import saelake
from saelake.collection import Collection
from saelake.explaining.hypotheses.options import HypothesisOptions
from saelake.store.documents.imports import import_documents
from saelake.store.format.schema import codes_schema
from saelake.store.growth.index import index
from saelake.store.lake.lake import Lake
from saelake.workers.encoder.pack import PageCodes, Part, pack
from tests import lakes
from tests.language_server import Asked, Say, Step

FEWER = HypothesisOptions(n_features=4, n_pool=60, n_judged=40, n_shown=4, n_tokens=64)
PLANTED = "mentions rain"
OTHERS = ["mentions a film", "mentions the sun", "is about something slow"]
WORD_OF = {PLANTED: "rain", OTHERS[0]: "film", OTHERS[1]: "sun", OTHERS[2]: "slow"}
FENCED = re.compile(
    r"<(?P<name>[a-z]+)-(?P<nonce>[0-9a-f]{12})>\n(.*?)\n</\1-(?P=nonce)>", re.DOTALL
)


def make_texts(
    folder: Path,
    *,
    n: int = 400,
    seed: int = 0,
    shares: tuple[float, float] = (0.8, 0.2),
    texts: dict[int, str] | None = None,
) -> Collection:
    """A collection of short texts, half of them `pos`: feature 0 fires at each rain.

    A text has rain with the probability of its label in `shares`; of other words each has its
    feature by chance. `prompt` numbers pairs of a pos and a neg text, `author` is one of 60.
    """
    chance = random.Random(seed)
    words = []
    for number in range(n):
        made = [chance.choice(lakes.WORDS[1:]) for _ in range(chance.randint(6, 14))]
        if chance.random() < shares[number % 2]:
            made[chance.randrange(len(made))] = "rain"
        words.append(made)
    for number, text in (texts or {}).items():
        words[number] = text.split(" ")
    written = [" ".join(w) for w in words]
    lake, name = Lake(str(folder)), lakes.MADE
    columns = {
        "prompt": pa.array([number // 2 for number in range(n)], pa.int64()),
        "author": pa.array([f"o'{chance.randrange(60)}" for _ in range(n)]),
    }
    labels = ["pos" if number % 2 == 0 else "neg" for number in range(n)]
    import_documents(lake, name.corpus, lakes.Rows(written, labels, columns))
    chosen = lakes.settings(n_features=len(lakes.WORDS))
    lakes._register(lake, chosen)
    packed = [part(doc, w) for doc, w in enumerate(words)]
    row = np.repeat(np.arange(n), [len(w) for w in words]).astype(np.int32)
    position = np.concatenate([np.arange(len(w)) for w in words]).astype(np.int32)
    known = np.array([word in lakes.WORDS for w in words for word in w])
    feature = np.array([lakes.WORDS.index(w) for each in words for w in each if w in lakes.WORDS])
    values = np.ones(len(feature), np.float32)
    codes = PageCodes(row[known], position[known], feature.astype(np.int32), values)
    batch = pack(packed, codes, schema=codes_schema(chosen), codec=chosen.codec)
    lakes.commit_shard(lake, chosen, batch, 0, n)
    index(lake, name)
    return saelake.connect(str(folder))[str(name)]


def part(doc: int, words: list[str]) -> Part:
    """The tokens of a text: its words."""
    starts = np.cumsum([0, *(len(word) + 1 for word in words)])[:-1].astype(np.uint32)
    return Part(
        doc=doc,
        part=0,
        token_ids=np.zeros(len(words), np.int32),
        starts=starts,
        lengths=np.array([len(word) for word in words], np.uint16),
        error=None,
    )


def sides(collection: Collection) -> tuple[Collection, Collection]:
    return collection.where("label = 'pos'"), collection.where("label = 'neg'")


def parts(asked: Asked) -> dict[str, str]:
    """What stands between the marks of a prompt, the last of each name."""
    return {name: text for name, _, text in FENCED.findall(asked.text)}


def judged(text: str, statement: str) -> str:
    """A judge that reads one word."""
    word = WORD_OF[statement]
    found = re.search(rf"\S*{word}\S*", text)
    return json.dumps({"holds": found is not None, "quote": found[0] if found else ""})


def labelled(asked: Asked) -> str:
    """What an explainer says: the word that stands in << >>."""
    found = re.search(r"<<\s*(\S+?)\s*>>", asked.text)
    return json.dumps({"label": f"the word {found[1] if found else '?'}"})


def made_of(
    statements: list[tuple[str, str]], judge: Callable[[str, str], str] = judged
) -> Callable[[Asked], Step]:
    """A model that makes these hypotheses, and judges by words."""

    def script(asked: Asked) -> Step:
        system = asked.body["messages"][0]["content"]
        found = parts(asked)
        if "property" in found:
            return Say(judge(found["text"], found["property"]))
        if "features" in found:
            each = [{"more_in": s, "property": p, "features": [1]} for s, p in statements]
            return Say(json.dumps({"hypotheses": each}))
        assert "Name the most specific property" in system
        return Say(labelled(asked))

    return script


HONEST = made_of([("A", PLANTED), ("A", OTHERS[0]), ("B", OTHERS[1]), ("A", OTHERS[2])])
