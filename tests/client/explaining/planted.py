"""Lakes whose features fire exactly on a word, and scripted models that know the rule, or guess."""

import json
import random
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

import saelake
from saelake.collection import Collection
from saelake.explaining.evidence import EvidenceOptions
from saelake.explaining.published import published
from saelake.explaining.run.options import ExplainOptions
from saelake.language.settings import LanguageSettings
from saelake.store.growth.index import index
from tests.client.language.models import PRICES
from tests.lakes import MADE, lake_of
from tests.language_server import Asked, Say, ScriptedServer, Step

PLANTED = ("rain", "sun", "film", "slow", "good", "bad")
OTHERS = ("the", "of", "über", "日本", "it's", "end")
SMALL = EvidenceOptions(
    n_strongest=4, n_intervals=2, n_counter=4, n_scored=5, n_scored_counter=5, n_tokens=8
)
RIGHT = {str(i): f"the word {rule}" for i, rule in enumerate(PLANTED)}
OPTIONS = ExplainOptions(evidence=SMALL, explainer="scripted")


def planted_lake(
    folder: Path,
    *,
    rules: Sequence[str] = PLANTED,
    n_documents: int = 240,
    signed: bool = False,
    hostile: str | None = None,
) -> Collection:
    """A lake whose feature i fires exactly at the word `rules[i]`, with strengths by chance.

    Signed, the negative pole of feature i fires at the word before `rules[i]` in their circle.
    `hostile` stands in every document, and fires nothing.
    """
    chance = np.random.default_rng(0)
    every = [*PLANTED, *OTHERS]
    words = [list(chance.choice(every, chance.integers(6, 12))) for _ in range(n_documents)]
    if hostile is not None:
        words = [[*w[:3], *hostile.split(" "), *w[3:]] for w in words]
    fired = [*rules, *(rules[i - 1] for i in range(len(rules)))] if signed else list(rules)
    codes = []
    for text in words:
        matrix = np.zeros((len(text), len(fired)), np.float32)
        for feature, rule in enumerate(fired):
            at = [i for i, word in enumerate(text) if word == rule]
            matrix[at, feature] = chance.integers(1, 9, len(at)) / np.float32(2)
        codes.append(matrix)
    lake = lake_of(folder, codes, columns={}, words=words, signed=signed)
    index(lake, MADE)
    return saelake.connect(lake.uri)[str(MADE)]


def settings(server: ScriptedServer, **more: object) -> LanguageSettings:
    chosen: dict[str, object] = {"prices": PRICES, "concurrency": 8, "max_attempts": 4, **more}
    return LanguageSettings(base_url=server.base_url, model="scripted", **chosen)  # type: ignore[arg-type]


# -- What a prompt shows.


def kind_of(asked: Asked) -> str:
    """Which of the prompts it is."""
    system = str(asked.body["messages"][0]["content"])
    for kind in ("detection", "fuzzing", "intruder", "simulation"):
        if system == published(kind)["system"]:
            return kind
    return "explaining"


def marked_words(text: str) -> list[str]:
    return [word for marked in re.findall(r"<<([^<>]*)>>", text) for word in marked.split()]


def examples(text: str) -> list[str]:
    """The examples that a judge is shown."""
    return re.findall(r"^Example \d+: ?(.*)$", text, re.MULTILINE)


def label_in(text: str) -> str:
    """The label that a judge is asked about."""
    found = re.search(r"explanation: (.*)", text)
    assert found is not None
    return found[1].strip()


# -- Models.


def knowing(asked: Asked) -> str:
    """What a model says that knows the rule: the label is the marked word."""
    kind = kind_of(asked)
    if kind == "explaining":
        (word,) = set(marked_words(asked.text))
        return f"[EXPLANATION]: the word {word}"
    if kind == "intruder":
        shown = [set(marked_words(each)) for each in re.findall(r"Example \d+:.*", asked.text)]
        counts = [sum(words == other for other in shown) for words in shown]
        return f"[RESPONSE]: {counts.index(min(counts))}"
    if kind == "simulation":
        return simulated(asked)
    word = label_in(asked.text).removeprefix("the word ")
    shown = examples(asked.text)
    words = [marked_words(text) if kind == "fuzzing" else text.split() for text in shown]
    return str([int(word in each) for each in words])


def simulated(asked: Asked) -> str:
    question = json.loads(asked.text)
    word = str(question["to_find"]).removeprefix("the word ")
    rows = [
        {"token": row["token"], "activation": 9 if row["token"].strip() == word else 0}
        for row in question["activations"]
    ]
    return json.dumps({"to_find": word, "document": "", "activations": rows})


def guessing(seed: int = 0) -> Callable[[Asked], str]:
    """A model that explains rightly, and judges by a coin, the same for the same prompt."""

    def say(asked: Asked) -> str:
        if kind_of(asked) == "explaining":
            return knowing(asked)
        coin = random.Random(f"{seed}:{asked.text}")
        return str([coin.randint(0, 1) for _ in examples(asked.text)])

    return say


def saying(model: Callable[[Asked], str], delay_s: float = 0.0) -> Callable[[Asked], Step]:
    return lambda asked: Say(model(asked), delay_s=delay_s)


def labels_of(collection: Collection) -> Mapping[str, str]:
    """What a lake has now, read anew."""
    local = collection.transport.local_lake
    assert local is not None
    rows = saelake.connect(local.uri)[collection.name].labels(k=None)
    return {f"{row.pole or ''}{row.feature}": row.label for row in rows}
