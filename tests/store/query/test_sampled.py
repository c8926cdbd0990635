"""Collections of a sample of the tokens: every answer is over those, by brute force."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saelake
from saelake.store.codes.table import CodesTable
from saelake.store.engine import Engine
from saelake.store.errors import InvalidInput
from saelake.store.format.activations import KeptSettings, kept_schema
from saelake.store.format.sampling import TokenSample
from saelake.store.format.schema import CollectionSettings
from saelake.store.growth.index import index
from saelake.store.index.totals import SAMPLE_KEY
from saelake.store.lake.lake import CollectionName
from saelake.store.query import features as features_module
from saelake.store.requests.checks import Selection
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.embeddings import EmbeddingsQuery
from saelake.store.requests.features import FeaturesQuery
from saelake.store.requests.match import MatchQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.requests.verify import VerifyQuery
from saelake.store.snapshot.collection import open_codes
from saelake.store.tables.tables import Table, overwrite, read
from tests.client.cli.command import run
from tests.lakes import MadeLake, make_lake
from tests.sampled import add_sample, held_tokens_of

THIRD = TokenSample(fraction=0.3, seed=5)


@pytest.fixture(scope="module", params=["plain", "signed"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MadeLake:
    """Of 12 features, or of as many poles."""
    signed = request.param == "signed"
    made = make_lake(
        tmp_path_factory.mktemp("lake"),
        n_documents=80,
        n_features=6 if signed else 12,
        signed=signed,
        tokens=(0, 30),
    )
    index(made.lake, made.name)
    return made


@pytest.fixture(scope="module")
def sampled(whole: MadeLake) -> MadeLake:
    made = add_sample(whole, THIRD)
    index(made.lake, made.name)
    return made


def asked(made: MadeLake, query: Any) -> list[dict[str, Any]]:
    answer = Engine(made.lake.uri).ask(query).read_all()
    rows: list[dict[str, Any]] = made.unsigned(answer.to_pylist())
    return rows


def test_density_is_of_the_tokens_held(whole: MadeLake, sampled: MadeLake) -> None:
    held = np.concatenate(list(held_tokens_of(whole, THIRD).values()))
    found = asked(sampled, FeaturesQuery(collection="made/sampled", k=None, order="feature"))
    assert [row["density"] for row in found] == pytest.approx((held != 0).mean(axis=0))
    assert held.shape[0] < 0.5 * sum(map(len, whole.words))  # else nothing was tested


@settings(max_examples=15, deadline=None)
@given(fraction=st.sampled_from([0.1, 0.5, 0.9]), seed=st.integers(0, 2**64 - 1))
def test_each_row_counts_the_tokens_of_the_hash(
    whole: MadeLake, fraction: float, seed: int
) -> None:
    sample = TokenSample(fraction=fraction, seed=seed)
    codes = CodesTable(open_codes(whole.lake, whole.name))
    codes.held = replace(codes.held, sample=sample)
    counts: dict[int, int] = {}
    for batch in codes.scan(["doc", "part", "token_ids"]):
        counts |= dict(
            zip(batch["doc"].to_pylist(), codes.token_counts(batch).tolist(), strict=True)
        )
    assert counts == {d: len(tokens) for d, tokens in held_tokens_of(whole, sample).items()}


def test_a_mean_is_over_the_tokens_held(whole: MadeLake, sampled: MadeLake) -> None:
    held = held_tokens_of(whole, THIRD)
    for row in asked(sampled, EmbeddingsQuery(collection="made/sampled", pooling="mean")):
        dense = np.zeros(whole.n_features)
        dense[row["features"]] = np.abs(row["max"])
        mine = held[row["doc"]]
        assert dense == pytest.approx(mine.sum(axis=0) / max(len(mine), 1))


@pytest.mark.parametrize("by", ["activation", "jaccard"])
def test_a_dictionary_matches_itself_entirely(whole: MadeLake, sampled: MadeLake, by: Any) -> None:
    for a, b in (("random", "sampled"), ("sampled", "random")):
        rows = asked(whole, MatchQuery(a=f"made/{a}", b=f"made/{b}", by=by))
        assert len(rows) == whole.n_features
        assert all(row["feature_a"] == row["feature_b"] for row in rows)
        assert [row["score"] for row in rows] == pytest.approx(np.ones(len(rows)))
        fires = (np.concatenate(list(held_tokens_of(whole, THIRD).values())) != 0).sum(axis=0)
        assert [row["n_a"] for row in rows] == [row["n_both"] for row in rows] == fires.tolist()


def test_samples_are_matched_over_the_tokens_of_both(whole: MadeLake, sampled: MadeLake) -> None:
    other = TokenSample(fraction=0.6, seed=9)
    add_sample(whole, other, dictionary="another")
    both = []
    for doc, matrix in whole.tokens().items():
        places = np.full(len(matrix), doc), np.arange(len(matrix))
        both.append(matrix[THIRD.has(*places) & other.has(*places)])
    dense = np.concatenate(both)
    rows = asked(whole, MatchQuery(a="made/sampled", b="made/another", k=whole.n_features))
    for row in rows:
        a, b = dense[:, row["feature_a"]], dense[:, row["feature_b"]]
        assert row["score"] == pytest.approx(np.corrcoef(a, b)[0, 1])
        assert (row["n_a"], row["n_b"]) == ((a != 0).sum(), (b != 0).sum())


def test_token_rates_of_a_sample_are_those_of_the_whole(whole: MadeLake, sampled: MadeLake) -> None:
    held = np.concatenate(list(held_tokens_of(whole, THIRD).values()))
    every = np.concatenate(list(whole.tokens().values()))
    sides = [Selection(collection=f"made/{name}") for name in ("sampled", "random")]
    query = DiffQuery(a=sides[0], others=(sides[1],), unit="token", k=None, examples=False)
    for row in asked(whole, query):
        feature = row["feature"]
        assert row["frequency_a"] == pytest.approx((held[:, feature] > 0).mean())
        assert row["frequency_b"] == pytest.approx((every[:, feature] > 0).mean())
    assert min(row["q_value"] for row in asked(whole, query)) > 0.05


# --- what answers say ---


def said(made: MadeLake, query: Any) -> str | None:
    metadata = Engine(made.lake.uri).ask(query).schema.metadata or {}
    found = metadata.get(b"sample")
    return None if found is None else found.decode()


def test_answers_say_of_which_sample_they_are(whole: MadeLake, sampled: MadeLake) -> None:
    share = "of a 30 % sample of the tokens of made/sampled"
    assert said(whole, FeaturesQuery(collection="made/random")) is None
    assert said(whole, FeaturesQuery(collection="made/sampled")) == share
    assert said(whole, MatchQuery(a="made/random", b="made/sampled")) == share
    assert said(whole, TokensQuery(collection="made/sampled", expression="1")) == share
    near = TokensQuery(collection="made/sampled", expression="1 & 2", scope="window:3")
    assert said(whole, near) == (
        f"{share}; features near each other are looked for among the sampled tokens only"
    )
    apart = CorrelateQuery(
        a=Selection(collection="made/sampled"), min_npmi=-1, min_documents=1, adjacent="drop"
    )
    assert "neighbouring tokens are compared only where both were" in (said(whole, apart) or "")


def test_every_face_says_so(whole: MadeLake, sampled: MadeLake) -> None:
    lake = saelake.connect(whole.lake.uri)
    answer = lake["made/sampled"].tokens(3, k=2)
    assert answer.sample == "of a 30 % sample of the tokens of made/sampled"
    assert "of a 30 % sample of the tokens of made/sampled" in repr(answer).splitlines()
    assert lake["made/random"].tokens(3, k=2).sample is None
    assert "of a 30 % sample" in repr(lake["made/sampled"].document(doc=1))
    info = lake["made/sampled"].info()
    assert (info.sample_fraction, info.sample_seed) == (0.3, 5)
    assert info.n_held == sum(map(len, held_tokens_of(whole, THIRD).values()))
    assert info.n_tokens == sum(map(len, whole.words))
    assert lake["made/random"].info().n_held == info.n_tokens


def test_commands_say_so(whole: MadeLake, sampled: MadeLake) -> None:
    share = "of a 30 % sample of the tokens of made/sampled"
    asking = ["tokens", "made/sampled", "3", "-k", "1", "--lake", whole.lake.uri]
    assert run(*asking).out.splitlines()[-1].strip() == share
    assert json.loads(run(*asking, "--format", "json").out)["sample"] == share
    asking[1] = "made/random"
    assert "sample" not in run(*asking).out
    assert "sample" not in json.loads(run(*asking, "--format", "json").out)
    described = run("info", "--lake", whole.lake.uri).out
    n_held = sum(map(len, held_tokens_of(whole, THIRD).values()))
    assert f"{n_held:,} tokens have codes: a 30 % sample (always the same)" in described


# --- lakes of before ---


def keep(made: MadeLake, sample: TokenSample) -> None:
    collection = CodesTable(open_codes(made.lake, made.name)).settings
    kept = KeptSettings(collection=collection, sample=sample, dtype="float16")
    Table.open_or_create(made.lake.activations(made.name), kept_schema(kept))


def test_an_earlier_collection_takes_its_sample_from_the_activations(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=60, tokens=(5, 30))
    keep(made, THIRD)
    add_sample(made, THIRD, earlier=True)
    index(made.lake, CollectionName("made", "sampled"))
    info = saelake.connect(tmp_path)["made/sampled"].info()
    assert (info.sample_fraction, info.sample_seed) == (0.3, 5)


def test_the_default_seed_is_recognised_by_the_codes(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=60, tokens=(5, 30))
    add_sample(made, TokenSample(fraction=0.3), earlier=True)
    info = saelake.connect(tmp_path)["made/sampled"].info()
    assert (info.sample_fraction, info.sample_seed) == (0.3, 0)


def test_a_sample_that_cannot_be_known_is_said(tmp_path: Path) -> None:
    made = make_lake(tmp_path, n_documents=60, tokens=(5, 30))
    other = add_sample(made, THIRD, earlier=True)
    index(made.lake, other.name)
    info = saelake.connect(tmp_path)["made/sampled"].info()
    assert (info.sample_fraction, info.sample_seed) == (0.3, None)
    n_tokens = sum(map(len, made.words))
    assert info.n_held == pytest.approx(0.3 * n_tokens, abs=1)
    query = FeaturesQuery(collection="made/sampled", k=None, order="feature")
    fires = np.bincount([code.feature for code in other.codes], minlength=12)
    found = [row["density"] for row in asked(made, query)]
    assert found == pytest.approx(fires / (0.3 * n_tokens), rel=0.01)
    assert "which" in (said(made, query) or "")
    with pytest.raises(InvalidInput, match="Encode it again"):
        asked(made, MatchQuery(a="made/sampled", b="made/random"))


def test_statistics_of_an_earlier_saelake_are_right_and_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_lake(tmp_path, n_documents=60, tokens=(5, 30))
    other = add_sample(made, THIRD)
    index(made.lake, other.name)
    right = read(made.lake.features(other.name))
    metadata = dict(right.schema.metadata)
    del metadata[SAMPLE_KEY.encode()]
    n_tokens = sum(map(len, made.words))
    metadata[b"saelake:n_tokens"] = str(n_tokens).encode()
    wrong = right.set_column(
        right.schema.names.index("density"),
        right.schema.field("density"),
        [right["token_frequency"].to_numpy() / n_tokens],
    ).replace_schema_metadata(metadata)
    overwrite(made.lake.features(other.name), wrong)
    query = FeaturesQuery(collection="made/sampled", k=None, order="feature")
    expected = right["density"].to_pylist()
    assert [row["density"] for row in asked(made, query)] == pytest.approx(expected)
    assert all(row["ok"] for row in asked(made, VerifyQuery(collection="made/sampled")))
    index(made.lake, other.name)
    monkeypatch.setattr(features_module, "_n_held", None)  # nothing is left to be counted
    assert [row["density"] for row in asked(made, query)] == pytest.approx(expected)


def test_settings_of_an_earlier_saelake_are_continued(tmp_path: Path) -> None:
    made = make_lake(tmp_path)
    add_sample(made, THIRD, earlier=True)
    stored = CodesTable(open_codes(made.lake, CollectionName("made", "sampled"))).settings
    assert stored.sample is None
    assert not stored.differences(replace(stored, sample=THIRD))
    assert "tokens_from" in stored.differences(replace(stored, tokens_from=None))


def test_settings_with_a_sample_are_written_and_read(sampled: MadeLake) -> None:
    stored = CodesTable(open_codes(sampled.lake, sampled.name)).settings
    assert CollectionSettings.from_json(stored.to_json()) == stored
    assert stored.sample == THIRD
