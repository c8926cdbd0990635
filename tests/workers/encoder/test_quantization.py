"""Weights in fewer bits give nearly the same activations, and a collection does not mix them."""

import importlib.util
from pathlib import Path
from typing import Any, cast

import pytest
import torch
import transformers

import saelake
from saelake.store.errors import AlreadyExists, InvalidInput, MissingExtra, ModelError
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import Model, load_model
from saelake.workers.encoder.reader import ActivationReader
from saelake.workers.run import DictionaryChoice, EncodeOptions
from tests.small_models import CONFIGS, batch_of
from tests.tiny import WORDS, save_corpus, save_dictionary, save_model
from tests.workers.encoder.test_models import saved

HOOK = "blocks.1.hook_resid_post"
WIDTH = 64
# How far activations are from those of the whole weights, relative to their length; measured
# 0.012, 0.045, 0.014 and 0.18 on such a model.
WAYS = {
    "int8": ("torchao", 0.03),
    "fp8": ("torchao", 0.1),
    "bnb-8bit": ("bitsandbytes", 0.05),
    "bnb-4bit": ("bitsandbytes", 0.3),
}


def has(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


INSTALLED = sorted(way for way, (library, _) in WAYS.items() if has(library))
ways = pytest.mark.parametrize(
    "way",
    [
        pytest.param(way, marks=pytest.mark.skipif(not has(library), reason=f"needs {library}"))
        for way, (library, _) in WAYS.items()
    ],
)
libraries_warn = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")


@pytest.fixture
def folder(tmp_path: Path) -> str:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=50,
        hidden_size=WIDTH,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=64,
    )
    return str(saved(tmp_path / "tiny", transformers.AutoModel.from_config(config)))


def read(model: Model) -> torch.Tensor:
    return ActivationReader(model, [resolve_hook(model.module, HOOK)])(batch_of([9, 7]))[HOOK]


@libraries_warn
@ways
def test_activations_are_near_those_of_the_whole_weights(folder: str, way: str) -> None:
    whole = load_model(folder, device="cpu")
    model = load_model(folder, device="cpu", quantization=way)
    shallow = load_model(folder, device="cpu", quantization=way, hooks=[HOOK])
    want, found = read(whole), read(model)
    error = float((found - want).norm() / want.norm())
    assert 0 < error < WAYS[way][1]
    assert torch.equal(read(shallow), found)
    assert (model.dtype, found.dtype) == (torch.float32, torch.float32)
    assert model.fingerprint == whole.fingerprint
    half = load_model(folder, device="cpu", dtype="bfloat16", quantization=way)
    assert (half.dtype, read(half).dtype) == (torch.bfloat16, torch.bfloat16)


@libraries_warn
@ways
def test_a_model_that_was_published_so_reads_the_same(
    folder: str, tmp_path: Path, way: str
) -> None:
    made = load_model(folder, device="cpu", quantization=way)
    cast("Any", made.module).save_pretrained(tmp_path / "published")
    made.tokenizer.save_pretrained(tmp_path / "published")
    published = load_model(str(tmp_path / "published"), device="cpu", hooks=[HOOK])
    assert torch.equal(read(published), read(made))
    assert published.fingerprint != made.fingerprint


@pytest.mark.parametrize("way", [way for way, (library, _) in WAYS.items() if not has(library)])
def test_what_a_way_needs_is_named(folder: str, way: str) -> None:
    with pytest.raises(MissingExtra, match=rf"{way} needs .* pip install 'saelake\[large\]'"):
        load_model(folder, device="cpu", quantization=way)


def test_a_way_that_nobody_knows_is_refused(folder: str) -> None:
    with pytest.raises(ModelError, match="no quantization int3: choose int8, fp8"):
        load_model(folder, device="cpu", quantization="int3")
    with pytest.raises(InvalidInput, match=r"quantization is int8, fp8, .* not 'int3'"):
        EncodeOptions(quantization="int3")


def test_a_model_that_is_published_quantised_is_not_quantised_again(tmp_path: Path) -> None:
    config = transformers.LlamaConfig(**CONFIGS["llama"].to_dict())
    module = transformers.AutoModel.from_config(config)
    module.config.quantization_config = {"quant_method": "fp8", "weight_block_size": [128, 128]}
    with pytest.raises(
        ModelError, match=r"published quantised \(fp8\) .* leave out --quantization"
    ):
        load_model(str(saved(tmp_path / "fp8", module)), device="cpu", quantization="int8")


@pytest.fixture
def lake(tmp_path: Path) -> Any:
    save_model(tmp_path / "model", bert=True)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=WIDTH,
        intermediate_size=128,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=128,
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(tmp_path / "model")
    save_dictionary(tmp_path / "sae", d_in=WIDTH)
    save_corpus(tmp_path / "corpus.parquet", 6)
    opened = saelake.connect(tmp_path / "lake")
    opened.import_corpus(str(tmp_path / "corpus.parquet"), "made")
    return opened


@libraries_warn
@pytest.mark.skipif(not INSTALLED, reason="needs torchao or bitsandbytes")
def test_it_belongs_to_the_collection(lake: Any, tmp_path: Path) -> None:
    way = INSTALLED[0]

    def encode(name: str, quantization: Any) -> Any:
        lake.encode(
            "made",
            model=str(tmp_path / "model"),
            dictionary=[DictionaryChoice(location=str(tmp_path / "sae"), name=name)],
            options=EncodeOptions(quantization=quantization),
        )
        return lake[f"made/{name}"]

    small = encode("small", way)
    whole = encode("whole", None)
    assert small.codes().read_all() != whole.codes().read_all()
    with pytest.raises(AlreadyExists, match=f"quantization = '{way}' .now None"):
        encode("small", None)
    with pytest.raises(AlreadyExists, match=f"quantization = None .now '{way}'"):
        encode("whole", way)
    assert encode("small", way).codes().read_all() == small.codes().read_all()
    # The codes of a question's text are made in the same way.
    first = small.codes().read_all().column("id")[0].as_py()
    text = next(d for d in _texts(tmp_path) if d["id"] == first)["text"]
    assert small.similar(text=text, k=1).to_arrow().column("id")[0].as_py() == first


def _texts(folder: Path) -> list[dict[str, Any]]:
    import pyarrow.parquet as pq

    found: list[dict[str, Any]] = pq.read_table(folder / "corpus.parquet").to_pylist()
    return found
