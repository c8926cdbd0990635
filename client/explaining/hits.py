"""Where features fire, as it was found: one place of a document, the strongest first."""

from collections import OrderedDict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from sys import intern

import pyarrow as pa

from saelake.answers.text import named
from saelake.collection import Collection
from saelake.explaining.choosing import TokenPlace
from saelake.explaining.windows import Origin
from saelake.store.format.sampling import HELD_BACK
from saelake.store.requests.places import MOST_FEATURES

HITS = 128  # firing documents of a feature that are looked at, spread over its strengths
KEPT = 4096  # features whose hits are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureHits:
    """Places of a feature, as lists of one length.

    `words` are the tokens there, without the space around them, in small letters.
    """

    feature: str
    docs: Sequence[int]
    positions: Sequence[int]
    is_held_back: Sequence[bool]
    words: Sequence[str]

    def __len__(self) -> int:
        return len(self.docs)

    def place(self, at: int, origin: Origin, interval: int | None = None) -> TokenPlace:
        """A place of them. Where the feature is another, it stands beside."""
        beside = None if origin in ("strongest", "interval") else self.feature
        held = self.is_held_back[at]
        return TokenPlace(self.docs[at], self.positions[at], held, origin, interval, beside)

    def firing(self, n_intervals: int) -> list[TokenPlace]:
        """All of them, each in its part of the order."""
        n = len(self)
        return [self.place(at, "interval", at * n_intervals // n) for at in range(n)]

    def others(
        self, origin: Origin, used: Container[int], word: str | None = None
    ) -> Iterator[TokenPlace]:
        """The places as counterexamples, or those at a word; without documents that are used."""
        for at, doc in enumerate(self.docs):
            if doc not in used and (word is None or self.words[at] == word):
                yield self.place(at, origin)


class KnownHits:
    """Hits of features of a collection, asked for together; so many are kept as fit."""

    def __init__(self, collection: Collection) -> None:
        self._collection = collection
        self._known: OrderedDict[str, FeatureHits] = OrderedDict()

    def learn(self, names: Iterable[str]) -> None:
        """Ask for the hits of those features of which they are not known."""
        wanted = dict.fromkeys(names)
        for name in self._known.keys() & wanted.keys():
            self._known.move_to_end(name)
        missing = [name for name in wanted if name not in self._known]
        for begin in range(0, len(missing), MOST_FEATURES):
            some = missing[begin : begin + MOST_FEATURES]
            found = self._collection.places(some, HITS, order="quantiles")
            self._known |= hits_of(some, found.to_arrow())
            while len(self._known) > KEPT:
                self._known.popitem(last=False)

    def of(self, name: str) -> FeatureHits:
        """Those of a feature, spread over its strengths."""
        if name not in self._known:  # of a question for more features than are kept
            self.learn([name])
        return self._known[name]

    def strongest(self, names: Sequence[str], k: int) -> Mapping[str, FeatureHits]:
        """The strongest of each feature, which are not kept."""
        if not names:
            return {}
        return hits_of(names, self._collection.places(names, k).to_arrow())


def hits_of(names: Iterable[str], places: pa.Table) -> dict[str, FeatureHits]:
    """Those in an answer to `places`, of each of the features that were asked for."""
    docs, positions = places["doc"].to_pylist(), places["position"].to_pylist()
    held = HELD_BACK.has_documents(docs).tolist()
    words = list(map(cache(word_of), places["token"].to_pylist()))
    found = {}
    spans = _spans(places)
    for name in names:
        at = spans.get(name, slice(0))
        found[name] = FeatureHits(
            feature=name,
            docs=docs[at],
            positions=positions[at],
            is_held_back=held[at],
            words=words[at],
        )
    return found


def _spans(places: pa.Table) -> dict[str, slice]:
    """Which rows are of each feature, which are neighbours."""
    features = places["feature"].to_pylist()
    signed = "pole" in places.schema.names
    poles = places["pole"].to_pylist() if signed else [None] * len(features)
    rows = list(zip(features, poles, strict=True))
    begins = [i for i in range(len(rows)) if i == 0 or rows[i] != rows[i - 1]]
    ends = [*begins[1:], len(rows)]
    return {str(named(*rows[a])): slice(a, b) for a, b in zip(begins, ends, strict=True)}


def word_of(token: str) -> str:
    """A token without the space around it, in small letters."""
    return intern(token.strip().lower())
