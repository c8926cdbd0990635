"""Evidence for features, read from a collection by its own questions.

Each is asked of many features at once: where they fire, by which the places of windows are chosen,
and then for the windows. Of one feature by itself it takes several times as long. The hits of
features by which counterexamples are looked for are kept: in a run over many features they were or
will be asked for anyway.
"""

import random
from collections import defaultdict
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import pyarrow as pa

from saelake.answers.features import Feature
from saelake.answers.text import named
from saelake.collection import Collection, FeatureName
from saelake.explaining.choosing import ChosenPlaces, TokenPlace, chosen, dealt
from saelake.explaining.cut import CutWindows
from saelake.explaining.evidence import EvidenceOptions, FeatureEvidence
from saelake.explaining.hits import HITS, FeatureHits, KnownHits, word_of
from saelake.explaining.windows import TokenWindow
from saelake.store.errors import NotFound
from saelake.store.format.sampling import HELD_BACK
from saelake.store.requests.windows import MOST_PLACES, WindowsQuery

RANDOM = 16  # features by which other places are found
AT_ONCE = 64  # features that are prepared together
WINDOW_TOKENS = 1 << 18  # of one question, but for the windows of one feature: 10 MiB
WORDS, PEAKED = 2, 2  # words on which it peaks, and other features that peak on each
SPARE = 1.5  # so many times the counterexamples needed, where not all firing documents are known
ALIKE, TRIES = 64, 512
MIN_NPMI, MIN_DOCUMENTS = 0.2, 3  # of features that fire in the same documents


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What was asked of many features at once."""

    near: Mapping[str, Sequence[str]]
    together: Mapping[str, Sequence[str]]
    strongest: Mapping[str, FeatureHits]

    def beside(self, name: str) -> list[str]:
        """The features near one."""
        return [*self.near.get(name, ()), *self.together.get(name, ())]


@dataclass(frozen=True, slots=True, kw_only=True)
class _PickedPlaces:
    """A feature, and the places of its windows."""

    row: Feature
    near: Sequence[str]
    places: Sequence[TokenPlace]


class EvidenceReader:
    """Reads evidence for features of a collection, or of a selection of it.

    A signed dictionary's feature has evidence for each pole that fires. Deterministic: the same
    state, options and feature have the same evidence, whatever else is asked. Of one reader one
    thread asks at a time. What it keeps in memory is bounded: the hits of `KEPT` features, and the
    windows of one question.
    """

    def __init__(self, collection: Collection, options: EvidenceOptions | None = None) -> None:
        self.collection = collection
        self.options = options or EvidenceOptions()
        self._hits = KnownHits(collection)
        self._drawn: list[str] = []
        self._peaking: dict[str, list[str]] | None = None

    def read(self, features: Sequence[FeatureName]) -> Iterator[FeatureEvidence]:
        """Evidence for each of these features, in order; of one that fires nowhere none.

        Raises `NotFound` of a feature, of a collection that is not indexed, and with `alike` where
        the documents have no embeddings.
        """
        for begin in range(0, len(features), AT_ONCE):
            rows = self._rows(features[begin : begin + AT_ONCE])
            if rows:
                prepared = self._prepared(rows)
                picked = (self._picked(row, prepared) for row in rows)
                for some in self._questions(each for each in picked if each is not None):
                    yield from self._read(some)

    # -- Of many features at once.

    def _rows(self, features: Sequence[FeatureName]) -> list[Feature]:
        """The statistics of the poles of these features that fire."""
        return [row for row in self.collection.features(features) if row.document_frequency]

    def _prepared(self, rows: Sequence[Feature]) -> _Prepared:
        """What is asked of these features together."""
        if self._peaking is None:
            live = [row for row in self.collection.features(k=None) if row.document_frequency]
            live_names = sorted(map(_name, live))
            n = min(RANDOM, len(live_names))
            self._drawn = random.Random(self.options.seed).sample(live_names, n)
            self._peaking = _peaking(live)
        names = [_name(row) for row in rows]
        near, together = self._near(names), self._together(names)
        beside = [other for found in (near, together) for each in found.values() for other in each]
        peaked = [other for row in rows for _, others in self._peaked(row) for other in others]
        self._hits.learn([*self._drawn, *beside, *peaked, *names])
        many = [name for name in names if len(self._hits.of(name)) >= HITS]
        k = 2 * self.options.n_strongest  # a fifth of which is held back
        strongest = self._hits.strongest(many, k) if k else {}
        return _Prepared(near=near, together=together, strongest=strongest)

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

    def _picked(self, row: Feature, prepared: _Prepared) -> _PickedPlaces | None:
        """The places of its windows; None where it does not fire in what is selected."""
        name = _name(row)
        firing = self._firing(name, prepared)
        if not firing:
            return None
        picked = chosen(firing, self.options, self._chance(name, "firing"))
        near = prepared.beside(name)
        others = self._others(row, near, picked, {place.doc for place in firing})
        return _PickedPlaces(row=row, near=near, places=[*picked.shown, *picked.scored, *others])

    def _chance(self, name: str, of: str) -> random.Random:
        return random.Random(f"{self.options.seed}:{self.collection.name}:{name}:{of}")

    def _firing(self, name: str, prepared: _Prepared) -> list[TokenPlace]:
        """Places where the feature fires, one of a document, the strongest first."""
        places = self._hits.of(name).firing(self.options.n_intervals)
        top = prepared.strongest.get(name)
        if top is None:  # all that there are
            return places
        strongest = [top.place(at, "interval", 0) for at in range(len(top))]
        known = set(top.docs)
        return [*strongest, *(place for place in places if place.doc not in known)]

    # -- Counterexamples.

    def _others(
        self, row: Feature, near: Sequence[str], picked: ChosenPlaces, firing: set[int]
    ) -> list[TokenPlace]:
        """Places of every origin that there is; more than are needed where some may fire."""
        name, o = _name(row), self.options
        used = firing | {place.doc for place in (*picked.shown, *picked.scored)}
        origins: list[Iterable[TokenPlace]] = [
            self._same_words(row, used),
            _in_turns([self._hits.of(n).others("near", used) for n in dict.fromkeys(near)]),
            self._random(name, used),
        ]
        if o.alike:
            origins.insert(2, self._alike(picked))
        more = 1 if row.document_frequency < HITS else SPARE
        n = {False: round(o.n_counter * more), True: round(o.n_scored_counter * more)}
        return dealt(origins, n, used)

    def _peaked(self, row: Feature) -> Iterator[tuple[str, list[str]]]:
        """The words on which a feature peaks, and of each other features that do."""
        assert self._peaking is not None
        for word in [word_of(top.token) for top in row.top_tokens[:WORDS]]:
            others = [n for n in self._peaking.get(word, ())[: PEAKED + 1] if n != _name(row)]
            if word:
                yield word, others[:PEAKED]

    def _same_words(self, row: Feature, used: Container[int]) -> Iterator[TokenPlace]:
        """Places of other features at the words on which this one peaks."""
        for word, others in self._peaked(row):
            for other in others:
                yield from self._hits.of(other).others("same words", used, word)

    def _alike(self, picked: ChosenPlaces) -> Iterator[TokenPlace]:
        """The beginnings of documents near the strongest by their dense embeddings."""
        docs = [place.doc for place in picked.shown[:3]]
        alike = self.collection.similar(doc=docs, k=ALIKE, method="dense").to_arrow()
        found = alike["doc"].to_pylist()
        for doc, held in zip(found, HELD_BACK.has_documents(found).tolist(), strict=True):
            yield TokenPlace(doc=doc, position=0, is_held_back=held, origin="alike")

    def _random(self, name: str, used: Container[int]) -> Iterator[TokenPlace]:
        """Places by chance, of features that were drawn by chance, the same for all."""
        drawn = [self._hits.of(other) for other in self._drawn if other != name]
        hits = [found for found in drawn if len(found)]
        chance = self._chance(name, "random")
        for _ in range(TRIES if hits else 0):
            found = hits[int(chance.random() * len(hits))]
            at = int(chance.random() * len(found))
            if found.docs[at] not in used:
                yield found.place(at, "random")

    # -- Windows.

    def _questions(self, picked: Iterable[_PickedPlaces]) -> Iterator[list[_PickedPlaces]]:
        """Features whose windows are asked for together: as many as one question has room for."""
        most = min(MOST_PLACES, WINDOW_TOKENS // self.options.n_tokens)
        some: list[_PickedPlaces] = []
        n_places = 0
        for each in picked:
            if some and n_places + len(each.places) > most:
                yield some
                some, n_places = [], 0
            some.append(each)
            n_places += len(each.places)
        if some:
            yield some

    def _read(self, some: Sequence[_PickedPlaces]) -> Iterator[FeatureEvidence]:
        """The evidence for some features, by one question for all their windows."""
        cut = self._cut(some)
        row, first = 0, 0
        for each in some:
            rows = []  # of places in documents without tokens there are none
            while row < len(cut.places) and cut.places[row] < first + len(each.places):
                rows.append((row, each.places[cut.places[row] - first]))
                row += 1
            first += len(each.places)
            yield self._made(each, cut, rows)

    def _cut(self, some: Sequence[_PickedPlaces]) -> CutWindows:
        places = [place for each in some for place in each.places]
        if not places:  # of options that ask for none
            return CutWindows.of(WindowsQuery.answer.empty_table())
        names = [[_name(each.row)] * len(each.places) for each in some]
        found = self.collection.windows(
            list(chain.from_iterable(names)),
            [place.doc for place in places],
            [place.position for place in places],
            n_tokens=self.options.n_tokens,
        )
        return CutWindows.of(found.to_arrow())

    def _made(
        self, picked: _PickedPlaces, cut: CutWindows, rows: Sequence[tuple[int, TokenPlace]]
    ) -> FeatureEvidence:
        """The evidence of windows that fire where they are to, and only there."""
        fit = [(row, place) for row, place in rows if cut.fires[row] == place.fires]
        o, row = self.options, picked.row
        shown, scored = (
            _side(cut, [each for each in fit if each[1].is_held_back == held], n)
            for held, n in ((False, o.n_counter), (True, o.n_scored_counter))
        )
        return FeatureEvidence(
            collection=self.collection.name,
            feature=_name(row) if row.pole else row.feature,
            largest=abs(row.max or 0.0),
            n_firing=row.document_frequency,
            shown=shown,
            scored=scored,
            near=tuple(picked.near),
        )


def _side(
    cut: CutWindows, rows: Sequence[tuple[int, TokenPlace]], n: int
) -> tuple[TokenWindow, ...]:
    """The windows that fire, and the first `n` of the others."""
    firing = [each for each in rows if each[1].fires]
    silent = [each for each in rows if not each[1].fires]
    return tuple(cut.window(row, place) for row, place in (*firing, *silent[:n]))


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
