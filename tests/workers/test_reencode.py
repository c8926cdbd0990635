"""Encoding from kept activations equals encoding by the model, but for 16 bits of storage."""

from collections import defaultdict
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

import saelake
from saelake.cli.show import lookups
from saelake.lake import Lake
from saelake.store.errors import (
    AlreadyExists,
    DictionaryMismatch,
    InvalidInput,
    NotFound,
    SaelakeWarning,
)
from saelake.workers.encoder.options import KeepOptions
from saelake.workers.run import DictionaryChoice, EncodeOptions
from tests.tiny import D_MODEL, HOOK, save_corpus, save_dictionary, save_model

# Activations and codes are rounded to 11 bits each; a code is a sum of D_MODEL products.
TOLERANCE = 2.0**-9
Codes = dict[tuple[int, int], dict[int, float]]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "model")
    save_dictionary(folder / "sae")
    save_dictionary(folder / "topk", seed=1)
    save_dictionary(folder / "jumprelu", architecture="jumprelu", seed=2)
    save_dictionary(folder / "elsewhere", hook="blocks.0.hook_resid_post", seed=1)
    save_dictionary(folder / "wide", d_in=D_MODEL + 1)
    save_corpus(folder / "corpus.parquet", 40)
    return folder


def made(folder: Path, parts: Path, fraction: float | None) -> Lake:
    lake = saelake.connect(folder)
    lake.import_corpus(str(parts / "corpus.parquet"), "made")
    keep = None if fraction is None else KeepOptions(fraction=fraction)
    lake.encode(
        "made",
        model=str(parts / "model"),
        dictionary=str(parts / "sae"),
        options=EncodeOptions(shard_documents=7, keep_activations=keep),
    )
    return lake


def again(lake: Lake, parts: Path, name: str, **options: Any) -> None:
    lake.encode(
        "made",
        dictionary=str(parts / name),
        from_activations="made/sae",
        options=EncodeOptions(**{"shard_documents": 9, **options}),
    )


def codes(lake: Lake, name: str) -> Codes:
    found: Codes = defaultdict(dict)
    for row in lake[name].codes().read_all().to_pylist():
        found[row["doc"], row["position"]][row["feature"]] = row["value"]
    return found


def assert_near(found: Codes, expected: Codes) -> None:
    """Where a token's features differ, those that only one has are nearly those of the other.

    Rounding may swap two features at the end of the top k, or at a threshold.
    """
    n_swapped = 0
    for place, features in expected.items():
        near = found[place]
        shared = features.keys() & near.keys()
        scale = max(abs(value) for value in features.values())
        for feature in shared:
            assert abs(near[feature] - features[feature]) <= 4 * TOLERANCE * scale
        n_swapped += len(features.keys() ^ near.keys())
    assert n_swapped <= 0.01 * sum(map(len, expected.values()))


@pytest.mark.parametrize("name", ["topk", "jumprelu"])
def test_codes_of_all_activations_are_those_of_the_model(
    tmp_path: Path, parts: Path, name: str
) -> None:
    lake, whole = made(tmp_path / "a", parts, 1.0), made(tmp_path / "b", parts, None)
    again(lake, parts, name)
    whole.encode("made", model=str(parts / "model"), dictionary=str(parts / name))
    found, expected = codes(lake, f"made/{name}"), codes(whole, f"made/{name}")
    assert found.keys() == expected.keys()
    assert_near(found, expected)
    document, other = (at[f"made/{name}"].document(doc=3) for at in (lake, whole))
    assert document.tokens == other.tokens


def test_codes_of_a_sample_are_of_its_tokens_only(tmp_path: Path, parts: Path) -> None:
    lake = made(tmp_path / "a", parts, 0.3)
    again(lake, parts, "topk")
    kept = lake["made/sae"].activations().to_arrow().read_all()
    places = set(zip(kept["doc"].to_pylist(), kept["position"].to_pylist(), strict=True))
    whole = codes(made(tmp_path / "b", parts, None), "made/sae")
    assert codes(lake, "made/topk").keys() == places < whole.keys()
    described = {row.name: row for row in lake.info()}
    assert described["made/topk"].tokens_from == "made/sae at 30 %"
    assert described["made/sae"].tokens_from is None
    assert described["made/topk"].n_tokens == described["made/sae"].n_tokens
    assert described["made/sae"].n_kept == len(places) == described["made/topk"].n_kept
    lake.index("made/topk")
    assert lake.verify("made/topk").ok
    assert lake["made/topk"].activations().n_tokens == len(places)  # they are the same


def test_a_dictionary_of_a_sample_matches_itself_on_the_whole(tmp_path: Path, parts: Path) -> None:
    lake = made(tmp_path / "a", parts, 0.3)
    choice = DictionaryChoice(location=str(parts / "sae"), name="sample")
    lake.encode("made", dictionary=choice, from_activations="made/sae")
    for pair in (("made/sae", "made/sample"), ("made/sample", "made/sae")):
        matches = lake[pair[0]].match(lake[pair[1]])
        assert all(row.feature_a == row.feature_b for row in matches)
        scores = np.array([row.score for row in matches])  # rounding may swap a rare one
        assert np.median(scores) > 0.9999
        assert scores.min() > 0.9
        assert matches.sample == "of a 30 % sample of the tokens of made/sample"
    for name in ("sae", "sample"):
        lake.index(f"made/{name}")
    info = lake["made/sample"].info()
    assert (info.sample_fraction, info.sample_seed, info.n_held) == (0.3, 0, info.n_kept)
    whole, sample = lake["made/sae"].features(k=None), lake["made/sample"].features(k=None)
    ratio = sum(f.density for f in sample) / sum(f.density for f in whole)
    assert ratio == pytest.approx(1, abs=0.1)  # it was the fraction


def test_it_continues_where_the_source_has_grown(tmp_path: Path, parts: Path) -> None:
    lake = saelake.connect(tmp_path / "lake")
    lake.import_corpus(str(parts / "corpus.parquet"), "made")
    options = EncodeOptions(shard_documents=7, keep_activations=KeepOptions())

    class Stop(Exception):
        pass

    def stop(progress: Any) -> None:
        if progress.n_documents >= 20:
            raise Stop

    model, sae = str(parts / "model"), str(parts / "sae")
    with pytest.raises(Stop):
        lake.encode("made", model=model, dictionary=sae, options=options, on_progress=stop)
    again(lake, parts, "topk")
    described = lake["made/topk"].info()
    n_first = described.n_encoded
    assert 0 < (n_first or 0) < 40
    assert described.n_encodable == n_first  # another encode of it would find nothing to do
    console = Console(width=120, file=StringIO())
    console.print(lookups.info(lake.info()))
    assert isinstance(console.file, StringIO)
    mine = console.file.getvalue().partition("made/topk")[2]
    assert "are not encoded: run encode again" not in mine
    assert f"{40 - (n_first or 0)} documents have no activations: encode made/sae with" in mine
    lake.encode("made", model=model, dictionary=sae, options=options)
    again(lake, parts, "topk")
    assert lake["made/topk"].info().n_encoded == 40
    other = made(tmp_path / "other", parts, 1.0)
    again(other, parts, "topk", shard_documents=1000)
    assert_near(codes(lake, "made/topk"), codes(other, "made/topk"))


def test_dictionaries_that_do_not_fit_are_refused(tmp_path: Path, parts: Path) -> None:
    lake = made(tmp_path / "lake", parts, 0.5)
    before = lake.info().to_arrow()
    with pytest.raises(DictionaryMismatch, match=r"encodes 17 numbers .* have 16"):
        again(lake, parts, "wide")
    with pytest.raises(DictionaryMismatch, match=f"--hook {HOOK}"):
        again(lake, parts, "elsewhere")
    assert lake.info().to_arrow().equals(before)
    choice = DictionaryChoice(location=str(parts / "elsewhere"), name="elsewhere", hook=HOOK)
    with pytest.warns(SaelakeWarning, match=f"is run at {HOOK}"):
        lake.encode("made", dictionary=choice, from_activations="made/sae")
    assert lake["made/elsewhere"].info().n_encoded == 40


def test_what_cannot_be_encoded_from_says_so(tmp_path: Path, parts: Path) -> None:
    lake = made(tmp_path / "lake", parts, None)
    with pytest.raises(NotFound, match="--keep-activations"):
        again(lake, parts, "topk")
    with pytest.raises(NotFound, match="no collection made/nothing"):
        lake.encode("made", dictionary=str(parts / "topk"), from_activations="made/nothing")
    with pytest.raises(InvalidInput, match="not of the corpus made"):
        lake.encode("made", dictionary=str(parts / "topk"), from_activations="other/sae")
    with pytest.raises(InvalidInput, match="leave out --window, --max-tokens"):
        again(lake, parts, "topk", window=8, max_tokens=3)
    with pytest.raises(InvalidInput, match="--model, or --from-activations"):
        lake.encode("made", dictionary=str(parts / "topk"))


def test_a_collection_of_the_model_is_not_continued_from_activations(
    tmp_path: Path, parts: Path
) -> None:
    lake = made(tmp_path / "lake", parts, 0.5)
    with pytest.raises(AlreadyExists, match="tokens_from"):
        again(lake, parts, "sae")


def test_kept_values_are_in_the_order_of_tokens(tmp_path: Path, parts: Path) -> None:
    lake = made(tmp_path / "lake", parts, 0.5)
    found = lake["made/sae"].activations().to_arrow().read_all()
    rows = lake["made/sae"].document(doc=5)
    here = found.filter(np.asarray(found["doc"]) == 5)
    ids = [rows.tokens[position].token_id for position in here["position"].to_pylist()]
    assert here["token_id"].to_pylist() == ids
