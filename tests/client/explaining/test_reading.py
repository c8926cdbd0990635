"""Evidence from real lakes: what is shown, what is held back, and that it is what is stored."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saelake
from saelake.collection import Collection
from saelake.explaining import hits, reading
from saelake.explaining.evidence import PASSAGES, EvidenceOptions, FeatureEvidence
from saelake.explaining.reading import EvidenceReader
from saelake.store.errors import InvalidInput, NotFound
from saelake.store.format.sampling import HELD_BACK
from saelake.store.growth.index import index
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from tests.client.explaining.made import docs, evidence_of, window_of
from tests.client.explaining.one_at_a_time import OneAtATime
from tests.encoded import NAME, EncodedLake, make_encoded_lake
from tests.lakes import MadeLake, make_lake

FEATURES = list(range(64))
SOME = EvidenceOptions(n_strongest=4, n_intervals=4, n_counter=6, n_scored=8, n_scored_counter=8)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> EncodedLake:
    return make_encoded_lake(tmp_path_factory.mktemp("evidence"), n_documents=120, longest=40)


@pytest.fixture(scope="module")
def collection(encoded: EncodedLake) -> Collection:
    return saelake.connect(encoded.lake.uri)[str(NAME)]


@pytest.fixture(scope="module")
def evidence(collection: Collection) -> list[FeatureEvidence]:
    return list(EvidenceReader(collection, SOME).read(FEATURES))


def test_there_is_evidence_for_every_feature_that_fires(
    collection: Collection, evidence: list[FeatureEvidence]
) -> None:
    live = [row.feature for row in collection.features(FEATURES) if row.document_frequency]
    assert [each.feature for each in evidence] == live
    assert len(live) > 40


def test_every_window_is_what_the_document_holds(
    collection: Collection, evidence: list[FeatureEvidence]
) -> None:
    for each in evidence[::5]:
        for window in (*each.shown, *each.scored):
            document = collection.document(doc=window.doc)
            tokens = document.tokens[window.begin : window.begin + len(window.tokens)]
            begin, end = tokens[0].start, tokens[-1].start + tokens[-1].length
            assert window.text == document.text[begin:end]
            assert [t.strip() for t in window.tokens] == [token.text for token in tokens]
            values = dict.fromkeys((token.position for token in tokens), 0.0)
            if each.feature in document.features:
                codes = document.codes(each.feature)
                pairs = zip(codes.positions.tolist(), codes.values.tolist(), strict=True)
                values |= {at: value for at, value in pairs if at in values}
            assert window.strengths == tuple(values.values())


def test_the_strongest_are_shown_and_the_others_are_of_every_interval(
    collection: Collection, evidence: list[FeatureEvidence]
) -> None:
    for each in evidence[::7]:
        hits = collection.tokens(each.feature, None)
        held = HELD_BACK.has_documents([hit.doc for hit in hits]).tolist()
        shown = [hit.doc for hit, is_held in zip(hits, held, strict=True) if not is_held]
        strongest = [w for w in each.shown if w.origin == "strongest"]
        assert [w.doc for w in strongest] == shown[: SOME.n_strongest]
        for window in each.shown:
            if window.origin == "interval":
                rank = [hit.doc for hit in hits].index(window.doc)
                assert window.interval == rank * SOME.n_intervals // len(hits)
        rest = {w.interval for w in each.firing if w.origin == "interval"}
        ranks = list(shown[SOME.n_strongest :])
        there = {[h.doc for h in hits].index(d) * SOME.n_intervals // len(hits) for d in ranks}
        assert rest == there


def test_what_is_scored_was_never_shown(evidence: list[FeatureEvidence]) -> None:
    for each in evidence:
        shown, scored = ({w.doc for w in side} for side in (each.shown, each.scored))
        assert not shown & scored
        assert HELD_BACK.has_documents(sorted(scored)).all()
        assert not HELD_BACK.has_documents(sorted(shown)).any()
    assert sum(len(each.scored) for each in evidence) > 4 * len(evidence)


def test_counterexamples_are_of_every_origin_and_silent(
    collection: Collection, evidence: list[FeatureEvidence]
) -> None:
    origins = {w.origin for each in evidence for w in (*each.shown, *each.scored) if not w.fires}
    assert origins == {"same words", "near", "random"}
    for each in evidence:
        for window in each.counter:
            assert window.max == 0
            assert window.beside not in (each.feature, str(each.feature), None)
            if window.origin == "near":
                assert window.beside in each.near
    words = [(e, w) for e in evidence for w in e.shown if w.origin == "same words"]
    for each, window in words:
        (row,) = collection.features(each.feature)
        peaks = {top.token.strip().lower() for top in row.top_tokens[:2]}
        assert window.tokens[window.peak].strip().lower() in peaks


def test_near_features_are_the_nearest_decoder_directions(
    collection: Collection, evidence: list[FeatureEvidence]
) -> None:
    for each in evidence[::9]:
        nearest = collection.dictionary.neighbors(each.feature, SOME.n_near)
        assert each.near == tuple(str(row.feature) for row in nearest)


def test_evidence_does_not_depend_on_what_else_was_asked(
    collection: Collection, evidence: list[FeatureEvidence]
) -> None:
    alone = [next(EvidenceReader(collection, SOME).read([e.feature])) for e in evidence[:3]]
    assert alone == evidence[:3]
    other = next(EvidenceReader(collection, replace(SOME, seed=1)).read([evidence[0].feature]))
    assert other != evidence[0]


def equal(collection: Collection, features: Sequence[int | str], n_examples: int) -> None:
    """Whether evidence is what it is for one feature after the other, with any options."""
    few = st.integers(0, 9)
    options = st.builds(
        EvidenceOptions,
        n_strongest=few,
        n_intervals=st.integers(1, 5),
        n_per_interval=st.integers(0, 2),
        n_counter=few,
        n_scored=few,
        n_scored_counter=few,
        n_near=st.integers(0, 3),
        together=st.booleans(),
        n_tokens=st.sampled_from([1, 5, 32]),
        seed=few,
    )

    @settings(max_examples=n_examples)
    @given(options, st.lists(st.sampled_from(features), min_size=1, max_size=5, unique=True))
    def check(options: EvidenceOptions, some: list[int | str]) -> None:
        expected = list(
            OneAtATime(collection=collection, options=options, n_hits=hits.HITS).read(some)
        )
        assert list(EvidenceReader(collection, options).read(some)) == expected

    check()


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few hits, of which more than those are strong; few features and windows of one question."""
    for module in (hits, reading):
        monkeypatch.setattr(module, "HITS", 12)
    monkeypatch.setattr(hits, "KEPT", 20)
    monkeypatch.setattr(hits, "MOST_FEATURES", 7)
    monkeypatch.setattr(reading, "AT_ONCE", 4)
    monkeypatch.setattr(reading, "WINDOW_TOKENS", 100 * 32)


@pytest.mark.usefixtures("little")
def test_evidence_is_that_of_one_feature_after_the_other(collection: Collection) -> None:
    equal(collection, FEATURES, 8)


def test_evidence_of_many_features_is_that_of_each(
    collection: Collection, evidence: list[FeatureEvidence]
) -> None:
    alone = OneAtATime(collection=collection, options=SOME).read(FEATURES[::5])
    assert list(alone) == [each for each in evidence if int(each.feature) % 5 == 0]


def test_a_server_gives_the_same_evidence(
    encoded: EncodedLake, evidence: list[FeatureEvidence]
) -> None:
    settings = ServerSettings(uri=encoded.lake.uri, address=Address(port=0))
    with BackgroundServer(settings) as running, saelake.connect(running.target) as lake:
        found = list(EvidenceReader(lake[str(NAME)], SOME).read(FEATURES[:8]))
    assert found == [each for each in evidence if int(each.feature) < 8]


def test_features_that_fire_together_can_be_asked_for(collection: Collection) -> None:
    plain, more = (
        {e.feature: set(e.near) for e in EvidenceReader(collection, options).read(FEATURES[:20])}
        for options in (SOME, replace(SOME, together=True))
    )
    assert all(more[feature] >= near for feature, near in plain.items())
    assert any(more[feature] > near for feature, near in plain.items())


def test_documents_alike_are_counterexamples_where_they_were_asked_for(
    encoded: EncodedLake, collection: Collection
) -> None:
    options = replace(SOME, alike=True)
    with pytest.raises(NotFound, match="embed"):
        list(EvidenceReader(collection, options).read([3]))
    saelake.connect(encoded.lake.uri).embed("words", model=encoded.sentences)
    found = list(EvidenceReader(collection, options).read(FEATURES[:10]))
    assert "alike" in {w.origin for each in found for w in each.shown}


def test_passages_are_longer_windows(collection: Collection) -> None:
    for each in EvidenceReader(collection, PASSAGES).read(FEATURES[:6]):
        for window in each.shown:
            assert len(window.tokens) == collection.document(doc=window.doc).n_tokens


@pytest.fixture
def signed(tmp_path: Path) -> MadeLake:
    made = make_lake(
        tmp_path, n_documents=80, n_features=6, tokens=(3, 20), density=0.05, signed=True
    )
    index(made.lake, made.name)
    return made


def test_each_pole_has_evidence_of_its_own(signed: MadeLake) -> None:
    collection = saelake.connect(signed.lake.uri)[str(signed.name)]
    found = list(EvidenceReader(collection, SOME).read([3, 0]))
    assert [each.feature for each in found] == ["+3", "-3", "+0", "-0"]
    for each, pole in zip(found, (3, 9, 0, 6), strict=True):
        codes = {(c.doc, c.position): c.value for c in signed.codes if c.feature == pole}
        assert each.largest == max(codes.values())
        assert each.firing
        for window in (*each.shown, *each.scored):
            positions = range(window.begin, window.begin + len(window.tokens))
            stored = tuple(codes.get((window.doc, position), 0.0) for position in positions)
            assert window.strengths == stored
    (alone,) = EvidenceReader(collection, SOME).read(["-3"])
    assert alone == found[1]


@pytest.mark.usefixtures("little")
def test_evidence_of_poles_is_that_of_one_after_the_other(signed: MadeLake) -> None:
    whole = saelake.connect(signed.lake.uri)[str(signed.name)]
    poles = ["0", "+1", "-1", "2", "-3", "+4", "5"]
    equal(whole, poles, 8)
    equal(whole.where("label = 'pos'"), poles, 4)


def test_a_selection_has_evidence_of_its_documents(signed: MadeLake) -> None:
    whole = saelake.connect(signed.lake.uri)[str(signed.name)]
    (each,) = EvidenceReader(whole.where("label = 'pos'"), SOME).read(["+1"])
    assert {signed.labels[w.doc] for w in (*each.shown, *each.scored)} == {"pos"}


def test_evidence_refuses_what_would_leak() -> None:
    (shown,), (held,) = docs(held_back=False, n=1), docs(held_back=True, n=1)
    fires = [0.0, 1.0]
    with pytest.raises(InvalidInput, match="held back"):
        evidence_of([window_of(["a", "b"], fires, doc=held)])
    with pytest.raises(InvalidInput, match="held back"):
        evidence_of([], [window_of(["a", "b"], fires, doc=shown)])
    with pytest.raises(InvalidInput, match="twice"):
        evidence_of([window_of(["a", "b"], fires, doc=shown)] * 2)
    with pytest.raises(InvalidInput, match="n_counter, n_intervals"):
        EvidenceOptions(n_intervals=0, n_counter=-1)
    with pytest.raises(InvalidInput, match="strengths up to"):
        window_of(["a"], [1.0], origin="random")
