from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn

from saelake.store.errors import ModelError
from saelake.workers.encoder.batches import Batch, batches, cut_windows
from saelake.workers.encoder.hooks import resolve_hook
from saelake.workers.encoder.models import Model, load_model
from saelake.workers.encoder.reader import ActivationReader
from saelake.workers.encoder.tokens import TokenSettings, tokenise
from tests.small_models import (
    CONFIGS,
    DECODERS,
    ENCODERS,
    FINAL_NORMS,
    HEADS,
    LAYERS,
    PARALLEL,
    VOCABULARY,
    WIDTH,
    batch_of,
    built,
    close,
)

DATA = Path(__file__).parents[3].parent / "shared" / "data"


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {name: built(config) for name, config in CONFIGS.items()}


def read(model: Model, batch: Batch, *names: str) -> dict[str, Tensor]:
    reader = ActivationReader(model, [resolve_hook(model.module, name) for name in names])
    return reader(batch)


def hidden_states(model: Model, batch: Batch) -> list[Tensor]:
    """What transformers itself reports, at the kept tokens."""
    with torch.inference_mode():
        states = model.module(
            input_ids=torch.from_numpy(batch.input_ids),
            attention_mask=torch.from_numpy(batch.attention_mask),
            output_hidden_states=True,
        ).hidden_states
    return [state[torch.from_numpy(batch.keep)] for state in states]


@pytest.mark.parametrize("family", CONFIGS)
def test_the_residual_stream_is_what_transformers_reports(
    models: dict[str, Model], family: str
) -> None:
    model, batch = models[family], batch_of([9, 9, 9])
    names = [f"blocks.{n}.hook_resid_post" for n in range(LAYERS)]
    found = read(model, batch, "blocks.0.hook_resid_pre", *names)
    expected = hidden_states(model, batch)
    close(found["blocks.0.hook_resid_pre"], expected[0])
    for n in range(LAYERS - 1):
        close(found[names[n]], expected[n + 1])
    # transformers reports its last state after the final norm, which BERT has inside the block.
    norm = next(
        (module for path, module in model.module.named_modules() if path in FINAL_NORMS),
        nn.Identity(),
    )
    last = found[names[-1]]
    close(norm(last), expected[-1])
    if family not in ENCODERS:
        assert not torch.allclose(last, expected[-1], atol=1e-2)


@pytest.mark.parametrize("family", CONFIGS)
def test_padding_changes_nothing(models: dict[str, Model], family: str) -> None:
    model, lengths = models[family], [12, 7, 3, 1]
    names = ["blocks.1.hook_resid_post", "blocks.1.hook_mlp_out", "blocks.1.attn.hook_z"]
    batch = batch_of(lengths)
    padded = read(model, batch, *names)
    assert not batch.attention_mask.all()
    rng = np.random.default_rng(0)
    for document, n in enumerate(lengths):
        ids = np.concatenate([[2], rng.integers(3, VOCABULARY, n)])[None]
        keep = np.arange(n + 1)[None] > 0
        alone = read(
            model,
            Batch(
                input_ids=ids,
                attention_mask=np.ones_like(ids),
                keep=keep,
                document=np.zeros(n, np.int32),
                position=np.arange(n),
            ),
            *names,
        )
        for name in names:
            close(padded[name][torch.from_numpy(batch.document == document)], alone[name])


@pytest.mark.parametrize("family", DECODERS)
def test_attention_and_mlp_are_what_a_block_adds(models: dict[str, Model], family: str) -> None:
    points = ["hook_resid_pre", "hook_attn_out", "hook_mlp_out", "hook_resid_post"]
    for n in range(LAYERS):
        found = read(models[family], batch_of([5, 3]), *(f"blocks.{n}.{p}" for p in points))
        pre, attention, mlp, post = (found[f"blocks.{n}.{point}"] for point in points)
        close(pre + attention + mlp, post)
        assert min(attention.abs().max(), mlp.abs().max()) > 0.1


@pytest.mark.parametrize("family", sorted(set(DECODERS) - PARALLEL))
def test_the_middle_of_a_block_is_after_attention(models: dict[str, Model], family: str) -> None:
    points = ["hook_resid_pre", "hook_attn_out", "hook_resid_mid"]
    found = read(models[family], batch_of([5, 3]), *(f"blocks.1.{point}" for point in points))
    pre, attention, middle = (found[f"blocks.1.{point}"] for point in points)
    close(pre + attention, middle)


@pytest.mark.parametrize("family", sorted(ENCODERS))
def test_an_encoder_norms_after_each_sum(models: dict[str, Model], family: str) -> None:
    model = models[family]
    block = model.module.get_submodule("encoder.layer.1")
    points = ["hook_resid_pre", "hook_attn_out", "hook_resid_mid", "hook_mlp_out"]
    posts = ["hook_resid_post", "hook_normalized_resid_post"]
    batch = batch_of([5, 3])
    found = read(model, batch, *(f"blocks.1.{point}" for point in points + posts))
    pre, attention, middle, mlp, post, normalised = (
        found[f"blocks.1.{point}"] for point in points + posts
    )
    close(pre + attention, middle)
    total = block.get_submodule("attention.output.LayerNorm")(middle) + mlp
    path = "encoder.layer.1.output.LayerNorm.input"
    close(total, read(model, batch, path)[path])
    close(block.get_submodule("output.LayerNorm")(total), post)
    close(post, normalised)


@pytest.mark.parametrize("family", CONFIGS)
def test_hook_z_is_what_the_output_projection_reads(models: dict[str, Model], family: str) -> None:
    model = models[family]
    hook = resolve_hook(model.module, "blocks.1.attn.hook_z")
    projection = model.module.get_submodule(hook.module_path)
    width = HEADS * (getattr(model.config, "head_dim", None) or WIDTH // HEADS)
    name = f"{hook.module_path}.output"
    found = read(model, batch_of([5, 3]), hook.name, name)
    assert found[hook.name].shape == (8, width)
    close(projection(found[hook.name]), found[name])


def word_embeddings(model: Model) -> Tensor:
    module: Any = model.module
    weight: Tensor = module.get_input_embeddings().weight
    return weight


def test_the_embedding_is_what_enters_the_first_block_of_a_rotary_model(
    models: dict[str, Model],
) -> None:
    batch = batch_of([5])
    ids = torch.from_numpy(batch.input_ids[batch.keep])
    for family, scale in {"gpt_neox": 1, "llama": 1, "gemma": 4, "gemma2": 4, "gemma3": 4}.items():
        found = read(models[family], batch, "hook_embed", "blocks.0.hook_resid_pre")
        close(found["hook_embed"], found["blocks.0.hook_resid_pre"])
        close(found["hook_embed"], word_embeddings(models[family])[ids] * scale)


def test_positions_are_added_to_the_embedding_of_gpt2_and_bert(models: dict[str, Model]) -> None:
    batch = batch_of([5])
    ids = torch.from_numpy(batch.input_ids[0, 1:])
    for family in ("gpt2", "bert"):
        model = models[family]
        found = read(model, batch, "hook_embed", "blocks.0.hook_resid_pre")
        close(found["hook_embed"], word_embeddings(model)[ids])
        assert not torch.allclose(found["hook_embed"], found["blocks.0.hook_resid_pre"])
    found = read(models["bert"], batch, "hook_full_embed", "blocks.0.hook_resid_pre")
    close(found["hook_full_embed"], found["blocks.0.hook_resid_pre"])


@pytest.mark.parametrize("family", CONFIGS)
def test_a_run_stops_at_the_deepest_hook(models: dict[str, Model], family: str) -> None:
    model = models[family]
    stack = resolve_hook(model.module, "blocks.0.hook_resid_post").module_path.removesuffix(".0")
    ran: list[int] = []
    handles = [
        model.module.get_submodule(f"{stack}.{n}").register_forward_pre_hook(
            lambda _module, _args, n=n: ran.append(n)
        )
        for n in range(LAYERS)
    ]
    read(model, batch_of([4]), "blocks.1.hook_resid_post", "blocks.0.hook_mlp_out")
    assert ran == [0, 1]
    for handle in handles:
        handle.remove()


def n_hooks(model: Model) -> int:
    modules = model.module.modules()
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in modules)


def test_a_reader_leaves_no_hooks_and_reads_again(models: dict[str, Model]) -> None:
    model, batch = models["llama"], batch_of([4, 2])
    hook = resolve_hook(model.module, "blocks.0.hook_resid_post")
    reader = ActivationReader(model, [hook, hook])
    before = n_hooks(model)  # transformers has hooks of its own
    first, second = reader(batch), reader(batch)
    assert torch.equal(first[hook.name], second[hook.name])
    assert n_hooks(model) == before
    assert not first[hook.name].requires_grad


def test_rows_come_in_the_order_of_the_batch(models: dict[str, Model]) -> None:
    batch = batch_of([2, 6, 4])
    found = read(models["gpt2"], batch, "hook_embed")["hook_embed"]
    kept_ids = torch.from_numpy(batch.input_ids[batch.keep])
    assert torch.equal(found, word_embeddings(models["gpt2"])[kept_ids])
    assert len(found) == batch.n_kept == 12


def test_widths_are_found_by_a_run(models: dict[str, Model]) -> None:
    model = models["qwen3"]
    names = ["blocks.0.hook_resid_post", "blocks.1.attn.hook_z", "layers.0.mlp.gate_proj"]
    reader = ActivationReader(model, [resolve_hook(model.module, name) for name in names])
    assert reader.widths() == dict(zip(names, [WIDTH, HEADS * 8, 24], strict=True))


def test_a_hook_point_must_carry_one_vector_a_token(models: dict[str, Model]) -> None:
    with pytest.raises(ModelError, match=r"pooler carries shape \(2, 16\) for 12 tokens"):
        read(models["bert"], batch_of([5, 5]), "pooler")


def test_a_hook_point_must_be_passed() -> None:
    model = built(CONFIGS["llama"])
    model.module.register_module("aside", nn.Linear(2, 2))
    with pytest.raises(ModelError, match="does not pass aside"):
        read(model, batch_of([5]), "blocks.0.hook_resid_post", "aside")


def test_an_input_given_by_name_is_read(models: dict[str, Model]) -> None:
    path = "layers.1.self_attn.input"
    found = read(models["llama"], batch_of([5, 2]), path, "layers.1.input_layernorm")
    close(found[path], found["layers.1.input_layernorm"])


def multimodal() -> Model:
    vision = transformers.SiglipVisionConfig(
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        image_size=28,
        patch_size=14,
    )
    return built(
        transformers.Gemma3Config(
            text_config=CONFIGS["gemma3"], vision_config=vision, mm_tokens_per_image=4
        )
    )


def test_the_language_part_of_a_multimodal_model_is_read() -> None:
    model, batch = multimodal(), batch_of([6, 4])
    hook = resolve_hook(model.module, "blocks.1.hook_resid_post")
    assert hook.module_path == "language_model.layers.1"
    assert hook.layer == 1
    close(read(model, batch, hook.name)[hook.name], hidden_states(model, batch)[2])


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the shared data")
def test_a_real_decoder_end_to_end() -> None:
    model = load_model(str(DATA / "models" / "stories260K"))
    texts = ["Once upon a time, there was a girl.", "", "She ran 😀 to the park. " * 90]
    settings = TokenSettings(window=model.window, overlap=64)
    documents = tokenise(model.tokenizer, texts, settings)
    name = "blocks.2.hook_resid_post"
    rows: dict[tuple[int, int], Tensor] = {}
    for batch in batches(cut_windows(documents, settings), 1024):
        values = read(model, batch, name)[name]
        places = zip(batch.document.tolist(), batch.position.tolist(), strict=True)
        rows.update(zip(places, values, strict=True))
    assert len(rows) == sum(map(len, documents))
    ids = model.tokenizer(texts[0], return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        expected = model.module(ids, output_hidden_states=True).hidden_states[3][0, 1:]
    close(torch.stack([rows[0, position] for position in range(len(documents[0]))]), expected)
