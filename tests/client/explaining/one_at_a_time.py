"""Evidence for one feature after the other, as it was read at first: the twin of what is read.

Of each feature `tokens` says where it fires and `windows` what is around, and of that values are
made, a row at a time. Nothing is asked of several features at once, and nothing kept.
"""

import random
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

from saelake.answers.features import Feature
from saelake.answers.text import named
from saelake.answers.windows import FeatureWindow
from saelake.collection import Collection, FeatureName
from saelake.explaining.choosing import ChosenPlaces, TokenPlace, chosen, dealt
from saelake.explaining.evidence import EvidenceOptions, FeatureEvidence
from saelake.explaining.hits import FeatureHits
from saelake.explaining.windows import TokenWindow
from saelake.store.errors import NotFound
from saelake.store.format.sampling import HELD_BACK

RANDOM, WORDS, PEAKED, SPARE, ALIKE, TRIES = 16, 2, 2, 1.5, 64, 512
MIN_NPMI, MIN_DOCUMENTS = 0.2, 3


@dataclass(frozen=True, kw_only=True)
class OneAtATime:
    """Evidence, of which `n_hits` are the firing documents of a feature that are looked at."""

    collection: Collection
    options: EvidenceOptions
    n_hits: int = 128

    def read(self, features: Sequence[FeatureName]) -> Iterator[FeatureEvidence]:
        """See `EvidenceReader.read`."""
        for feature in features:
            for row in self.collection.features([feature]):
                if row.document_frequency and (found := self._evidence(row)) is not None:
                    yield found

    @cached_property
    def _live(self) -> list[Feature]:
        return [row for row in self.collection.features(k=None) if row.document_frequency]

    def _evidence(self, row: Feature) -> FeatureEvidence | None:
        name = _name(row)
        firing = self._firing(name)
        if not firing:
            return None
        near = [*self._near([name])[name], *self._together([name])[name]]
        picked = chosen(firing, self.options, self._chance(name, "firing"))
        others = self._others(row, near, picked, {place.doc for place in firing})
        windows = self._windows(name, [*picked.shown, *picked.scored, *others])
        return self._made(row, windows, near)

    def _hits(self, name: str, k: int | None = None) -> FeatureHits:
        """The `k` strongest; or so many as are looked at, spread over all."""
        if k is None:
            found = self.collection.tokens(name, self.n_hits, order="quantiles", context=0)
        else:
            found = self.collection.tokens(name, k, context=0)
        docs = [hit.doc for hit in found]
        return FeatureHits(
            feature=name,
            docs=docs,
            positions=[hit.position for hit in found],
            is_held_back=HELD_BACK.has_documents(docs).tolist(),
            words=[hit.token.strip().lower() for hit in found],
        )

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

    def _chance(self, name: str, of: str) -> random.Random:
        return random.Random(f"{self.options.seed}:{self.collection.name}:{name}:{of}")

    def _firing(self, name: str) -> list[TokenPlace]:
        places = self._hits(name).firing(self.options.n_intervals)
        k = 2 * self.options.n_strongest
        if len(places) < self.n_hits or not k:
            return places
        top = self._hits(name, k)
        strongest = [top.place(at, "interval", 0) for at in range(len(top))]
        return [*strongest, *(place for place in places if place.doc not in top.docs)]

    def _others(
        self, row: Feature, near: Sequence[str], picked: ChosenPlaces, firing: set[int]
    ) -> list[TokenPlace]:
        """Places of every origin that there is; more than are needed where some may fire."""
        name, o = _name(row), self.options
        used = firing | {place.doc for place in (*picked.shown, *picked.scored)}
        origins: list[Iterable[TokenPlace]] = [
            self._same_words(row, used),
            _in_turns([self._hits(other).others("near", used) for other in dict.fromkeys(near)]),
            self._random(name, used),
        ]
        if o.alike:
            origins.insert(2, self._alike(picked))
        more = 1 if row.document_frequency < self.n_hits else SPARE
        n = {False: round(o.n_counter * more), True: round(o.n_scored_counter * more)}
        return dealt(origins, n, used)

    def _same_words(self, row: Feature, used: Container[int]) -> Iterator[TokenPlace]:
        """Places of other features at the words on which this one peaks."""
        for word in [word_of(top.token) for top in row.top_tokens[:WORDS]]:
            others = [n for n in self._peaking(word)[: PEAKED + 1] if n != _name(row)]
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
        names = sorted(map(_name, self._live))
        drawn = random.Random(self.options.seed).sample(names, min(RANDOM, len(names)))
        hits = [found for other in drawn if other != name and len(found := self._hits(other))]
        chance = self._chance(name, "random")
        for _ in range(TRIES if hits else 0):
            found = hits[int(chance.random() * len(hits))]
            at = int(chance.random() * len(found))
            if found.docs[at] not in used:
                yield found.place(at, "random")

    def _peaking(self, word: str) -> list[str]:
        """The features that peak on a word in most of their strongest documents."""
        found = [
            (-top.documents, _name(row))
            for row in self._live
            for top in row.top_tokens[:WORDS]
            if word_of(top.token) == word
        ]
        return [name for _, name in sorted(found)]

    def _windows(self, name: str, places: Sequence[TokenPlace]) -> list[TokenWindow]:
        if not places:
            return []
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


def _in_turns(lists: Sequence[Iterator[TokenPlace]]) -> Iterator[TokenPlace]:
    waiting = list(lists)
    while waiting:
        for places in list(waiting):
            place = next(places, None)
            if place is None:
                waiting.remove(places)
            else:
                yield place


def word_of(token: str) -> str:
    return token.strip().lower()


def _window(row: FeatureWindow, place: TokenPlace) -> TokenWindow | None:
    """The window of a place; None where a counterexample turns out to fire, or nothing is there."""
    strengths = tuple(map(abs, row.values))
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
