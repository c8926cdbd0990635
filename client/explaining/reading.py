"""Evidence for features, read from a collection by its own questions.

Of each feature that is one question for its hits, one for its windows, and one for each feature by
which counterexamples are looked for, whose hits are kept: in a run over many features these were
or will be asked for anyway. What can be asked of many features at once is: see `prepare`.
"""

import random
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pyarrow as pa

from saelake.answers.features import Feature
from saelake.answers.text import named
from saelake.answers.windows import FeatureWindow
from saelake.collection import Collection, FeatureName
from saelake.explaining.choosing import ChosenPlaces, TokenPlace, chosen, dealt
from saelake.explaining.evidence import EvidenceOptions, FeatureEvidence
from saelake.explaining.hits import FeatureHits, word_of
from saelake.explaining.windows import TokenWindow
from saelake.store.errors import NotFound
from saelake.store.format.sampling import HELD_BACK

HITS = 128  # firing documents of a feature that are looked at, spread over its strengths
KEPT = 4096  # features whose hits are kept
RANDOM = 16  # features by which other places are found
AT_ONCE = 64  # features that are prepared together
WORDS, PEAKED = 2, 2  # words on which it peaks, and other features that peak on each
SPARE = 1.5  # so many times the counterexamples needed, where not all firing documents are known
ALIKE, TRIES = 64, 512
MIN_NPMI, MIN_DOCUMENTS = 0.2, 3  # of features that fire in the same documents


@dataclass(frozen=True, slots=True)
class _NearFeatures:
    """What was asked of many features at once."""

    near: dict[str, list[str]]
    together: dict[str, list[str]]


class EvidenceReader:
    """Reads evidence for features of a collection, or of a selection of it.

    A signed dictionary's feature has evidence for each pole that fires. Deterministic: the same
    state, options and feature have the same evidence, whatever else is asked. Of one reader one
    thread asks at a time.
    """

    def __init__(self, collection: Collection, options: EvidenceOptions | None = None) -> None:
        self.collection = collection
        self.options = options or EvidenceOptions()
        self._hits = lru_cache(KEPT)(self._asked_hits)
        self._live_names: list[str] = []
        self._peaking: dict[str, list[str]] = {}

    def read(self, features: Sequence[FeatureName]) -> Iterator[FeatureEvidence]:
        """Evidence for each of these features, in order; of one that fires nowhere none.

        Raises `NotFound` of a feature, of a collection that is not indexed, and with `alike` where
        the documents have no embeddings.
        """
        for begin in range(0, len(features), AT_ONCE):
            rows = self._rows(features[begin : begin + AT_ONCE])
            found = self._prepared([_name(row) for row in rows])
            for row in rows:
                evidence = self._evidence(row, found)
                if evidence is not None:
                    yield evidence

    # -- Of many features at once.

    def _rows(self, features: Sequence[FeatureName]) -> list[Feature]:
        """The statistics of the poles of these features that fire."""
        return [row for row in self.collection.features(features) if row.document_frequency]

    def _prepared(self, names: Sequence[str]) -> _NearFeatures:
        if not self._live_names:
            live = [row for row in self.collection.features(k=None) if row.document_frequency]
            self._live_names = sorted(map(_name, live))
            self._peaking = _peaking(live)
        return _NearFeatures(near=self._near(names), together=self._together(names))

    def _near(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Of each feature those whose decoder directions are nearest."""
        near: dict[str, list[str]] = defaultdict(list)
        if not self.options.n_near or not names:
            return near
        dictionary = self.collection.dictionary
        try:
            matches = dictionary.match(dictionary, features=names, k=self.options.n_near + 1)
        except NotFound:  # of a dictionary whose directions are not stored
            return near
        for row in matches:
            name, other = (
                str(named(row.feature_a, row.pole_a)),
                str(named(row.feature_b, row.pole_b)),
            )
            if other != name and len(near[name]) < self.options.n_near:
                near[name].append(other)
        return near

    def _together(self, names: Sequence[str]) -> dict[str, list[str]]:
        """Of each feature those that most often fire in the same documents."""
        found: dict[str, list[str]] = defaultdict(list)
        if not self.options.together or not names:
            return found
        pairs = self.collection.correlate(
            features=names, min_npmi=MIN_NPMI, min_documents=MIN_DOCUMENTS, k=None
        ).to_arrow()  # of common features there are very many
        asked = set(names)
        for a, b in zip(_names(pairs, "a"), _names(pairs, "b"), strict=True):
            for name, other in ((a, b), (b, a)):
                if name in asked and len(found[name]) < self.options.n_near:
                    found[name].append(other)
        return found

    # -- Of one.

    def _evidence(self, row: Feature, found: _NearFeatures) -> FeatureEvidence | None:
        name = _name(row)
        firing = self._firing(row)
        if not firing:
            return None
        picked = chosen(firing, self.options, self._chance(name, "firing"))
        others = self._others(row, found, picked, {place.doc for place in firing})
        windows = self._windows(name, [*picked.shown, *picked.scored, *others])
        return self._made(row, windows, [*found.near[name], *found.together[name]])

    def _chance(self, name: str, of: str) -> random.Random:
        return random.Random(f"{self.options.seed}:{self.collection.name}:{name}:{of}")

    def _firing(self, row: Feature) -> list[TokenPlace]:
        """Places where the feature fires, one of a document, the strongest first."""
        name = _name(row)
        places = self._hits(name).firing(self.options.n_intervals)
        k = 2 * self.options.n_strongest  # a fifth of which is held back
        if len(places) < HITS or not k:  # all that there are
            return places
        top = FeatureHits.of(name, self.collection.tokens(name, k, context=0).to_arrow())
        strongest = [top.place(at, "interval", 0) for at in range(len(top))]
        known = set(top.docs)
        return [*strongest, *(place for place in places if place.doc not in known)]

    def _asked_hits(self, name: str) -> FeatureHits:
        """Places of a feature, spread over its strengths."""
        found = self.collection.tokens(name, HITS, order="quantiles", context=0)
        return FeatureHits.of(name, found.to_arrow())

    # -- Counterexamples.

    def _others(
        self, row: Feature, found: _NearFeatures, picked: ChosenPlaces, firing: set[int]
    ) -> list[TokenPlace]:
        """Places of every origin that there is; more than are needed where some may fire."""
        name, o = _name(row), self.options
        used = firing | {place.doc for place in (*picked.shown, *picked.scored)}
        near = dict.fromkeys([*found.near[name], *found.together[name]])
        origins: list[Iterable[TokenPlace]] = [
            self._same_words(row, used),
            _in_turns([self._hits(other).others("near", used) for other in near]),
            self._random(name, used),
        ]
        if o.alike:
            origins.insert(2, self._alike(picked))
        more = 1 if row.document_frequency < HITS else SPARE
        n = {False: round(o.n_counter * more), True: round(o.n_scored_counter * more)}
        return dealt(origins, n, used)

    def _same_words(self, row: Feature, used: Container[int]) -> Iterator[TokenPlace]:
        """Places of other features at the words on which this one peaks."""
        for word in [word_of(top.token) for top in row.top_tokens[:WORDS]]:
            others = [n for n in self._peaking.get(word, ())[: PEAKED + 1] if n != _name(row)]
            for other in others[:PEAKED] if word else ():
                yield from self._hits(other).others("same words", used, word)

    def _alike(self, picked: ChosenPlaces) -> Iterator[TokenPlace]:
        """The beginnings of documents near the strongest by their dense embeddings."""
        docs = [place.doc for place in picked.shown[:3]]
        alike = self.collection.similar(doc=docs, k=ALIKE, method="dense").to_arrow()
        found = alike["doc"].to_pylist()
        for doc, held in zip(found, HELD_BACK.has_documents(found).tolist(), strict=True):
            yield TokenPlace(doc=doc, position=0, is_held_back=held, origin="alike")

    def _random(self, name: str, used: Container[int]) -> Iterator[TokenPlace]:
        """Places by chance, of features that were drawn by chance, the same for all."""
        drawn = random.Random(self.options.seed).sample(
            self._live_names, min(RANDOM, len(self._live_names))
        )
        hits = [found for other in drawn if other != name and len(found := self._hits(other))]
        chance = self._chance(name, "random")
        for _ in range(TRIES if hits else 0):
            found = hits[int(chance.random() * len(hits))]
            at = int(chance.random() * len(found))
            if found.docs[at] not in used:
                yield found.place(at, "random")

    # -- Windows.

    def _windows(self, name: str, places: Sequence[TokenPlace]) -> list[TokenWindow]:
        found = self.collection.windows(
            name,
            [place.doc for place in places],
            [place.position for place in places],
            n_tokens=self.options.n_tokens,
        )
        made = (_window(row, places[row.place]) for row in found)
        return [window for window in made if window is not None]

    def _made(
        self, row: Feature, windows: Sequence[TokenWindow], near: Sequence[str]
    ) -> FeatureEvidence:
        o = self.options
        is_held = HELD_BACK.has_documents([w.doc for w in windows]).tolist()
        sides = [
            [w for w, held in zip(windows, is_held, strict=True) if held == side]
            for side in (False, True)
        ]
        shown, scored = (
            (*(w for w in side if w.fires), *_first(side, n))
            for side, n in zip(sides, (o.n_counter, o.n_scored_counter), strict=True)
        )
        name = _name(row)
        return FeatureEvidence(
            collection=self.collection.name,
            feature=name if row.pole else row.feature,
            largest=abs(row.max or 0.0),
            n_firing=row.document_frequency,
            shown=shown,
            scored=scored,
            near=tuple(near),
        )


def _first(windows: Sequence[TokenWindow], n: int) -> list[TokenWindow]:
    return [window for window in windows if not window.fires][:n]


def _name(row: Feature) -> str:
    """What a question calls a row of statistics: of a signed dictionary with its sign."""
    return str(named(row.feature, row.pole))


def _names(pairs: pa.Table, side: str) -> list[str]:
    """What questions call the features of one side of pairs."""
    features = pairs[f"feature_{side}"].to_pylist()
    if f"pole_{side}" not in pairs.schema.names:
        return [str(feature) for feature in features]
    poles = pairs[f"pole_{side}"].to_pylist()
    return [str(named(feature, pole)) for feature, pole in zip(features, poles, strict=True)]


def _peaking(live: Sequence[Feature]) -> dict[str, list[str]]:
    """Of each word the features that peak on it in most of their strongest documents."""
    found: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in live:
        for top in row.top_tokens[:WORDS]:
            found[word_of(top.token)].append((-top.documents, _name(row)))
    return {word: [name for _, name in sorted(rows)] for word, rows in found.items()}


def _in_turns(lists: Sequence[Iterator[TokenPlace]]) -> Iterator[TokenPlace]:
    waiting = list(lists)
    while waiting:
        for places in list(waiting):
            place = next(places, None)
            if place is None:
                waiting.remove(places)
            else:
                yield place


def _window(row: FeatureWindow, place: TokenPlace) -> TokenWindow | None:
    """The window of a place; None where a counterexample turns out to fire, or nothing is there."""
    strengths = tuple(np.abs(np.array(row.values)).tolist())
    if not strengths or (max(strengths) > 0) != place.fires:
        return None
    return TokenWindow(
        doc=row.doc,
        id=row.id,
        begin=row.start,
        tokens=row.pieces,
        strengths=strengths,
        peak=min(place.position - row.start, len(strengths) - 1),
        origin=place.origin,
        interval=place.interval,
        beside=place.beside,
    )
