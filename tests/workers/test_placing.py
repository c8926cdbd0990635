"""A dictionary that is run elsewhere than it states: said, and called after the place."""

from pathlib import Path

import pyarrow as pa
import pytest

import saelake
from saelake.lake import Lake
from saelake.store.errors import AlreadyExists, InvalidInput, ModelError, SaelakeWarning
from saelake.store.lake.lake import Lake as StoredLake
from saelake.workers.encoder.options import KeepOptions
from saelake.workers.fleet.finished import EncodeRequest
from saelake.workers.run import DictionaryChoice, EncodeOptions, check
from tests.tiny import HOOK, save_corpus, save_dictionary, save_model

ELSEWHERE = "blocks.0.hook_resid_post"
SAID = rf"sae states that it belongs at {HOOK}, and is run at {ELSEWHERE}"


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parts")
    save_model(folder / "model")
    save_dictionary(folder / "sae")
    save_dictionary(folder / "early", hook=ELSEWHERE)
    save_corpus(folder / "corpus.parquet", 20)
    return folder


def imported(folder: Path, parts: Path, *corpora: str) -> Lake:
    lake = saelake.connect(folder)
    for corpus in corpora or ("made",):
        lake.import_corpus(str(parts / "corpus.parquet"), corpus)
    return lake


def encode(lake: Lake, parts: Path, *choices: DictionaryChoice, corpus: str = "made") -> list[str]:
    report = lake.encode(corpus, model=str(parts / "model"), dictionary=choices)
    return list(report.collections)


def sae(parts: Path, *, name: str | None = None, hook: str | None = None) -> DictionaryChoice:
    return DictionaryChoice(location=str(parts / "sae"), name=name, hook=hook)


def codes(lake: Lake, name: str) -> pa.Table:
    return lake[name].codes().read_all()


def test_another_place_is_said_and_named(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts)
    with pytest.warns(SaelakeWarning, match=SAID):
        made = encode(lake, parts, sae(parts, hook=ELSEWHERE))
    assert made == [f"made/sae-at-{ELSEWHERE}"]
    assert encode(lake, parts, sae(parts)) == ["made/sae"]
    assert encode(lake, parts, DictionaryChoice(location=str(parts / "early"))) == ["made/early"]
    assert codes(lake, made[0]).equals(codes(lake, "made/early"))
    assert not codes(lake, made[0]).equals(codes(lake, "made/sae"))
    with pytest.warns(SaelakeWarning, match=SAID):
        assert encode(lake, parts, sae(parts, hook=ELSEWHERE)) == made  # it goes on


@pytest.mark.parametrize("hook", ["layers.1", "model.layers.1", "blocks.2.hook_resid_pre", HOOK])
def test_another_name_of_the_stated_place_changes_nothing(
    tmp_path: Path, parts: Path, hook: str
) -> None:
    lake = imported(tmp_path / "lake", parts)
    assert encode(lake, parts, sae(parts, hook=hook)) == ["made/sae"]  # warnings are errors


def test_a_name_that_is_given_holds_and_the_place_is_said(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts)
    with pytest.warns(SaelakeWarning, match=f"mine states .* is run at {ELSEWHERE}"):
        assert encode(lake, parts, sae(parts, name="mine", hook=ELSEWHERE)) == ["made/mine"]


def test_one_name_never_means_two_places(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts, "made", "other")
    encode(lake, parts, sae(parts))
    before = lake.info().to_arrow()
    taken = sae(parts, name="sae", hook=ELSEWHERE)
    with pytest.raises(AlreadyExists, match=f"dictionary at {HOOK} .* another --name"):
        encode(lake, parts, taken, corpus="other")
    assert lake.info().to_arrow().equals(before)
    assert encode(lake, parts, sae(parts, name="sae", hook="layers.1"), corpus="other")


def test_one_dictionary_at_two_places_has_two_names(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts)
    both = sae(parts), sae(parts, hook=ELSEWHERE)
    asked = EncodeRequest(
        lake=StoredLake(lake.uri),
        corpus="made",
        dictionaries=both,
        options=EncodeOptions(),
        model=str(parts / "model"),
    )
    check(asked)
    with pytest.warns(SaelakeWarning, match=SAID):
        assert encode(lake, parts, *both) == ["made/sae", f"made/sae-at-{ELSEWHERE}"]
    with pytest.raises(InvalidInput, match="Two dictionaries have one name: sae, sae"):
        encode(lake, parts, sae(parts), sae(parts, hook="layers.1"))


def test_a_place_that_the_model_lacks_is_refused(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts)
    with pytest.raises(ModelError, match=r"no hook point blocks\.1\.hook_nothing"):
        encode(lake, parts, sae(parts, hook="blocks.1.hook_nothing"))


def test_kept_activations_of_another_place_are_said_too(tmp_path: Path, parts: Path) -> None:
    lake = imported(tmp_path / "lake", parts)
    lake.encode(
        "made",
        model=str(parts / "model"),
        dictionary=str(parts / "early"),
        options=EncodeOptions(keep_activations=KeepOptions()),
    )
    with pytest.warns(SaelakeWarning, match=SAID):
        report = lake.encode(
            "made", dictionary=sae(parts, hook=ELSEWHERE), from_activations="made/early"
        )
    assert report.collections == (f"made/sae-at-{ELSEWHERE}",)


def test_a_dictionary_without_its_decoder_is_said(tmp_path: Path, parts: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save_dictionary(tmp_path / "damaged")
    weights = load_file(folder / "sae_weights.safetensors")
    weights["W_dec"][0, 0] = float("nan")
    save_file(weights, folder / "sae_weights.safetensors")
    lake = imported(tmp_path / "lake", parts)
    with pytest.warns(SaelakeWarning, match="damaged: its decoder has values that are not finite"):
        encode(lake, parts, DictionaryChoice(location=str(folder)))
    encode(lake, parts, sae(parts))
    assert codes(lake, "made/damaged").equals(codes(lake, "made/sae"))
    lake.index("made/damaged")
    assert lake["made/damaged"].features(k=3)
    with pytest.raises(saelake.NotFound, match="decoder directions"):
        lake.dictionary("damaged").neighbors(3)


def test_a_norm_factor_is_kept_for_questions_of_texts(tmp_path: Path, parts: Path) -> None:
    folder = save_dictionary(tmp_path / "scaled")
    config = (folder / "cfg.json").read_text().replace('"none"', '"expected_average_only_in"')
    (folder / "cfg.json").write_text(config)
    lake = imported(tmp_path / "lake", parts)
    encode(lake, parts, DictionaryChoice(location=str(folder), norm_factor=2.0))
    lake.index("made/scaled")
    text = lake["made/scaled"].document(doc=7).text
    (nearest,) = lake["made/scaled"].similar(text, k=1)
    assert nearest.doc == 7
    other = DictionaryChoice(location=str(folder), norm_factor=3.0)
    with pytest.raises(AlreadyExists):
        encode(lake, parts, other)
