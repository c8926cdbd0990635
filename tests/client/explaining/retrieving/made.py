"""A lake whose features have labels, and a model that chooses those with a word."""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from saelake.collection import Collection
from tests.client.explaining.hypotheses.made import make_texts, parts
from tests.lakes import WORDS
from tests.language_server import Asked, Say, Step

PHRASE = "rainy weather"
FITS = {"rain": 10, "sun": 4}
LABELS = {number: f"mentions {word}" for number, word in enumerate(WORDS)}


def make_labelled(folder: Path, labels: Mapping[int, str] | None = None) -> Collection:
    """The made texts, whose features have labels without embeddings."""
    collection = make_texts(folder)
    collection.dictionary.set_labels(dict(labels or LABELS), explainer="me")
    return collection


def choosing(fits: Mapping[str, int] = FITS) -> Callable[[Asked], Step]:
    """A model that chooses the labels with these words, as they stand."""

    def script(asked: Asked) -> Step:
        lines = parts(asked)["labels"].splitlines()
        made = [
            {"number": int(line.partition(".")[0]), "fit": fit}
            for line in lines
            for word, fit in fits.items()
            if re.search(rf"\b{word}\b", line)
        ]
        return Say(json.dumps({"features": made}))

    return script
