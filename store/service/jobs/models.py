"""Which models a job may load: those that the lake or the operator knows, and maybe the hub's.

What a client calls a model is never opened as a path.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from saelake.store.errors import AccessDenied, InvalidInput
from saelake.store.index.vectors import Vectors
from saelake.store.lake.dictionaries import RegisteredDictionary
from saelake.store.lake.lake import Lake, absolute

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobModels:
    """What jobs may load beside what the lake knows.

    With `hub` models and dictionaries may be fetched; `sentences` is the sentence model of the
    operator, a folder or a hub id.
    """

    hub: bool = False
    sentences: str | None = None

    def of_dictionaries(self, known: Sequence[RegisteredDictionary], asked: str | None) -> str:
        """Where the model is that a corpus is encoded with: the dictionaries' own without a name.

        Raises `InvalidInput`, and `AccessDenied` for the hub's.
        """
        places = list(dict.fromkeys(d.model_location or d.model or "" for d in known))
        if asked is None and len(places) == 1 and places[0]:
            return places[0]
        if asked is None:
            raise InvalidInput(
                "Say with which model: the dictionaries were not all used with one that the lake "
                "knows."
            )
        found = next((d for d in known if asked in (d.model_location, d.model)), None)
        if found is not None:
            return found.model_location or asked
        return self._of_the_hub(
            asked, "name the one that the dictionaries were used with, or leave it out."
        )

    def of_sentences(self, lake: Lake, corpus: str, asked: str | None) -> str:
        """Where the sentence model is that a corpus is embedded with.

        Without a name that with which it was embedded before, else the operator's, else the one
        that the lake's other corpora were embedded with. A name is the place, or the last part of
        it. Raises `InvalidInput`, and `AccessDenied` for the hub's.
        """
        own, operators = _embedder(lake, corpus), self.sentences and absolute(self.sentences)
        if asked is None and (first := own or operators):
            return first
        others = dict.fromkeys(_embedders(lake))
        if asked is None and len(others) == 1:
            return next(iter(others))
        if asked is None:
            raise InvalidInput(
                f"Say with which sentence model to embed {corpus}: it was not embedded before, and "
                "the server was started without --sentence-model.",
                corpus=corpus,
            )
        known = [place for place in (own, operators, *others) if place]
        if asked == self.sentences and operators:
            return operators
        if found := next((p for p in known if asked in (p, Path(p).name)), None):
            return found
        return self._of_the_hub(
            asked, "name one that the lake was embedded with, or leave it out for the server's own."
        )

    def check_hub(self, what: str) -> None:
        """Raise `AccessDenied` unless what is at the hub may be fetched."""
        if not self.hub:
            raise AccessDenied(
                f"This server fetches nothing from the hub, and so not {what}: its operator allows "
                "that with `saelake serve --allow-hub`.",
                location=what,
            )

    def _of_the_hub(self, model: str, instead: str) -> str:
        if not _HUB_ID.fullmatch(model) or Path(model).exists():
            raise InvalidInput(
                f"{model!r} is no model that a server may read: {instead}", model=model
            )
        self.check_hub(model)
        return model


def _embedder(lake: Lake, corpus: str) -> str | None:
    """The sentence model that a corpus was embedded with."""
    found = Vectors.open(lake.vectors(corpus))
    return None if found is None else found.embedder


def _embedders(lake: Lake) -> Iterator[str]:
    """Those of all corpora."""
    found = (_embedder(lake, corpus) for corpus in lake.corpora())
    return (embedder for embedder in found if embedder is not None)
