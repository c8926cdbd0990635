"""Synthetic lakes are sound, repeatable, and like what they were asked to be like."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile, bursts, summary
from benchmarks.common.synthetic import NAME, Synthesis, synthesise
from saelake.store.engine import Engine
from saelake.store.lake.lake import Lake
from saelake.store.requests.codes import CodesQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.snapshot.collection import Collection

PROFILE = Profile.load(PROFILES / "imdb-minilm.npz")
N_DOCUMENTS = 300


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    made = Lake(str(tmp_path_factory.mktemp("synthetic")))
    synthesise(made, Synthesis(PROFILE, N_DOCUMENTS, seed=1))
    return made


def test_verifies(lake: Lake) -> None:
    checks = Engine(lake.uri).ask(VerifyQuery()).read_all().to_pylist()
    assert len(checks) == 8
    assert all(check["ok"] for check in checks), checks


def test_statistics_are_those_of_the_real_codes(lake: Lake) -> None:
    made = summary(Collection(lake, NAME))
    shares = [name for name in PROFILE.source if name not in ("documents", "tokens", "codes")]
    compared = {name: (made[name], PROFILE.source[name]) for name in shares if name != "postings"}
    for name, (own, real) in compared.items():
        assert own == pytest.approx(real, rel=0.15, abs=0.6), name


def test_every_token_has_as_many_codes_and_none_a_feature_twice(lake: Lake) -> None:
    query = CodesQuery(collection=str(NAME), where="doc < 5")
    codes = Engine(lake.uri).ask(query).read_all()
    tokens = np.asarray(codes["doc"]) << np.uint64(16) | np.asarray(codes["position"])
    _, per_token = np.unique(tokens, return_counts=True)
    assert np.ptp(per_token) <= 2
    pairs = tokens << np.uint64(16) | np.asarray(codes["feature"])
    assert len(np.unique(pairs)) == len(pairs)


def test_a_hit_shows_the_word_that_was_drawn(lake: Lake) -> None:
    engine = Engine(lake.uri)
    hits = engine.ask(TokensQuery(collection=str(NAME), expression="7")).read_all().to_pylist()
    assert hits
    for hit in hits:
        shown = hit["text"][hit["token_start"] :][: hit["token_length"]]
        assert shown == hit["token"]
        assert shown in PROFILE.words


def test_same_seed_makes_the_same_codes() -> None:
    one, same, other = (Synthesis(PROFILE, 3, seed=seed) for seed in (5, 5, 6))
    codes = [made.activations(next(made.blocks())) for made in (one, same, other)]
    np.testing.assert_array_equal(codes[0].value, codes[1].value)
    assert not np.array_equal(codes[0].feature, codes[2].feature)


def test_a_profile_is_read_back_as_it_was_saved(tmp_path: Path) -> None:
    PROFILE.save(tmp_path / "profile.npz")
    read = Profile.load(tmp_path / "profile.npz")
    assert (read.words, read.source) == (PROFILE.words, PROFILE.source)
    np.testing.assert_array_equal(read.values, PROFILE.values)
    np.testing.assert_array_equal(read.burst, PROFILE.burst)


def test_bursts_give_the_document_frequencies_asked_for() -> None:
    random = np.random.default_rng(0)
    lengths = random.integers(50, 400, 3000)
    rate, share = np.array([0.001, 0.01, 0.1]), np.array([0.1, 0.4, 0.9])
    shape = bursts(rate, share, lengths)
    mean = rate * lengths[:, None] * random.standard_gamma(shape, (3000, 3)) / shape
    found = (random.poisson(mean) > 0).mean(axis=0)
    np.testing.assert_allclose(found, share, atol=0.04)
