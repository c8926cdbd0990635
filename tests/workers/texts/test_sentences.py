"""Dense embeddings, against torch one text at a time and against sentence-transformers."""

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from saelake.store.errors import ModelError
from saelake.workers.texts import sentences
from saelake.workers.texts.sentences import SentenceModel
from tests.tiny import D_MODEL, save_model

WINDOW = 32
RANDOM = np.random.default_rng(0)
TEXTS = [" ".join(f"w{i}" for i in RANDOM.integers(0, 60, n)) for n in (1, 3, 9, 3, 25, 7, 60)]
POOL: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": lambda states: states.mean(0),
    "cls": lambda states: states[0],
    "max": lambda states: states.amax(0),
    "lasttoken": lambda states: states[-1],
}
FLAGS = {
    "mean": "pooling_mode_mean_tokens",
    "cls": "pooling_mode_cls_token",
    "max": "pooling_mode_max_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `bert` and `llama`, which has no padding token."""
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "bert", bert=True, window=WINDOW)
    save_model(folder / "llama", window=WINDOW)
    return folder


def pooled_by(models: Path, folder: Path, config: Any) -> SentenceModel:
    """The tiny BERT with this pooling config beside it."""
    for file in (models / "bert").iterdir():
        (folder / file.name).symlink_to(file)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling/config.json").write_text(json.dumps(config))
    return SentenceModel.load(str(folder))


@cache
def reference(location: Path) -> tuple[Any, Any]:
    return AutoTokenizer.from_pretrained(location), AutoModel.from_pretrained(location).eval()


def one_by_one(
    location: Path, texts: list[str], pooling: str = "mean", window: int = WINDOW
) -> npt.NDArray[np.float32]:
    """Each text run alone, without padding."""
    tokenizer, model = reference(location)
    rows = []
    for text in texts:
        ids = tokenizer(text, truncation=True, max_length=window, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            vector = POOL[pooling](model(input_ids=ids).last_hidden_state[0])
        rows.append(vector / vector.norm())
    return torch.stack(rows).numpy()


@pytest.mark.parametrize("pooling", POOL)
@pytest.mark.parametrize("flags", [True, False], ids=["as flags", "as a mode"])
def test_pooling_is_what_the_folder_says(
    models: Path, tmp_path: Path, pooling: str, flags: bool
) -> None:
    config = dict.fromkeys(FLAGS.values(), False) | {FLAGS[pooling]: True}
    model = pooled_by(models, tmp_path, config if flags else {"pooling_mode": pooling})
    found = model.embed(TEXTS)
    assert found.shape == (len(TEXTS), model.width) == (len(TEXTS), D_MODEL)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, one_by_one(models / "bert", TEXTS, pooling), atol=2e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_tokens_are_averaged_where_nothing_is_said(models: Path, name: str) -> None:
    found = SentenceModel.load(str(models / name)).embed(TEXTS)
    np.testing.assert_allclose(found, one_by_one(models / name, TEXTS), atol=2e-6)


def test_a_vector_does_not_depend_on_its_batch(
    models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = SentenceModel.load(str(models / "bert"))
    together = model.embed(TEXTS)
    monkeypatch.setattr(sentences, "BATCH_TOKENS", 30)
    np.testing.assert_allclose(model.embed(TEXTS), together, atol=2e-6)
    np.testing.assert_allclose(model.embed(TEXTS[::-1])[::-1], together, atol=2e-6)


def test_batches_have_texts_of_like_length_and_a_bounded_size(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sentences, "BATCH_TOKENS", 30)
    lengths = [int(n) for n in RANDOM.integers(1, 40, 50)]
    batches = sentences._batches(lengths)
    assert sorted(row for batch in batches for row in batch) == list(range(50))
    longest = [max(lengths[row] for row in batch) for batch in batches]
    assert longest == sorted(longest)
    for batch, most in zip(batches, longest, strict=True):
        assert len(batch) == 1 or len(batch) * most <= 30


@pytest.mark.parametrize("name", ["bert", "llama"])
def test_a_text_without_tokens_has_no_direction(models: Path, name: str) -> None:
    model = SentenceModel.load(str(models / name))
    found = model.embed([" ", *TEXTS, ""])
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[1:-1], one_by_one(models / name, TEXTS), atol=2e-6)
    if name == "llama":  # which adds no special tokens
        assert not found[[0, -1]].any()
        assert not model.embed(["", " "]).any()
    assert model.embed([]).shape == (0, D_MODEL)


def test_the_window_is_the_sentence_models(models: Path, tmp_path: Path) -> None:
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 8}))
    model = pooled_by(models, tmp_path, {})
    assert model.window == 8
    np.testing.assert_allclose(
        model.embed(TEXTS), one_by_one(models / "bert", TEXTS, window=8), atol=2e-6
    )


@pytest.mark.parametrize(
    "config",
    [
        {"pooling_mode_weightedmean_tokens": True},
        {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
        {"pooling_mode": "weightedmean"},
        {"pooling_mode": ["mean", "cls"]},
    ],
)
def test_another_pooling_is_refused(models: Path, tmp_path: Path, config: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="pools its tokens by"):
        pooled_by(models, tmp_path, config)


def test_another_module_is_refused(models: Path, tmp_path: Path) -> None:
    types = ["models.Transformer", "models.Pooling", "models.Dense", "models.Normalize"]
    modules = [{"idx": i, "type": f"sentence_transformers.{t}"} for i, t in enumerate(types)]
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match="Dense"):
        pooled_by(models, tmp_path, {})


def test_a_config_that_is_not_json_is_named(models: Path, tmp_path: Path) -> None:
    (tmp_path / "sentence_bert_config.json").write_text("{")
    with pytest.raises(ModelError, match=r"sentence_bert_config\.json"):
        pooled_by(models, tmp_path, {})


def test_no_model_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="nothing"):
        SentenceModel.load(str(tmp_path / "nothing"))


@pytest.mark.filterwarnings("ignore")  # another library's
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_vectors_are_those_of_sentence_transformers(
    models: Path, tmp_path: Path, pooling: str
) -> None:
    parts = pytest.importorskip("sentence_transformers.models")
    library = pytest.importorskip("sentence_transformers")
    transformer = parts.Transformer(str(models / "bert"), max_seq_length=16)
    whole = library.SentenceTransformer(
        modules=[transformer, parts.Pooling(D_MODEL, pooling_mode=pooling), parts.Normalize()],
        device="cpu",
    )
    whole.save(str(tmp_path / "saved"))
    expected = whole.encode(TEXTS, convert_to_numpy=True)
    found = SentenceModel.load(str(tmp_path / "saved"))
    assert found.window == 16
    np.testing.assert_allclose(found.embed(TEXTS), expected, atol=2e-6)
