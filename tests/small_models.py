"""Small models of every family with random weights, and batches of random tokens for them."""

from typing import Any

import numpy as np
import torch
import transformers
from torch import Tensor, nn

from saelake.workers.encoder.batches import Batch, batches, cut_windows
from saelake.workers.encoder.models import Model
from saelake.workers.encoder.tokens import TokenisedDocument, TokenSettings

VOCABULARY, WIDTH, LAYERS, HEADS = 50, 16, 3, 4

DECODER = {
    "vocab_size": VOCABULARY,
    "hidden_size": WIDTH,
    "intermediate_size": 24,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "pad_token_id": 0,
}
HEAD = {"head_dim": 8}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8}
ENCODER = {
    key: value
    for key, value in DECODER.items()
    if key not in {"num_key_value_heads", "pad_token_id"}
}
NEOX = {**ENCODER, "rotary_pct": 0.5}
GPT2 = {"vocab_size": VOCABULARY, "n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS}

CONFIGS: dict[str, Any] = {
    "gpt2": transformers.GPT2Config(**GPT2, n_positions=64),
    "gpt_neo": transformers.GPTNeoConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        num_layers=LAYERS,
        num_heads=HEADS,
        attention_types=[[["global"], LAYERS]],
        max_position_embeddings=64,
    ),
    "gpt_neox": transformers.GPTNeoXConfig(**NEOX),
    "gpt_neox sequential": transformers.GPTNeoXConfig(**NEOX, use_parallel_residual=False),
    "gptj": transformers.GPTJConfig(**GPT2, n_positions=64, rotary_dim=2),
    "llama": transformers.LlamaConfig(**DECODER),
    "mistral": transformers.MistralConfig(**DECODER, sliding_window=6),
    "mixtral": transformers.MixtralConfig(**DECODER, num_local_experts=4),
    "olmo": transformers.OlmoConfig(**DECODER),
    "opt": transformers.OPTConfig(
        vocab_size=VOCABULARY,
        hidden_size=WIDTH,
        ffn_dim=24,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        word_embed_proj_dim=WIDTH,
        max_position_embeddings=64,
    ),
    "phi": transformers.PhiConfig(**DECODER, partial_rotary_factor=0.5),
    "phi3": transformers.Phi3Config(**DECODER),
    "qwen2": transformers.Qwen2Config(**DECODER),
    "qwen3": transformers.Qwen3Config(**DECODER, **HEAD),
    "qwen3_moe": transformers.Qwen3MoeConfig(**DECODER, **HEAD, **EXPERTS),
    "smollm3": transformers.SmolLM3Config(**DECODER),
    "gemma": transformers.GemmaConfig(**DECODER, **HEAD),
    "gemma2": transformers.Gemma2Config(**DECODER, **HEAD, sliding_window=6),
    "gemma3": transformers.Gemma3TextConfig(**DECODER, **HEAD, sliding_window=6),
    "bert": transformers.BertConfig(**ENCODER),
    "electra": transformers.ElectraConfig(**ENCODER, embedding_size=WIDTH),
    "roberta": transformers.RobertaConfig(**ENCODER, pad_token_id=1),
    "xlm-roberta": transformers.XLMRobertaConfig(**ENCODER, pad_token_id=1),
}
ENCODERS = {"bert", "electra", "roberta", "xlm-roberta"}
PARALLEL = {"gpt_neox", "gptj", "phi"}
FINAL_NORMS = {"norm", "ln_f", "final_layer_norm", "final_layernorm", "decoder.final_layer_norm"}
DECODERS = sorted(CONFIGS.keys() - ENCODERS)


def built(config: Any) -> Model:
    """A model of a configuration, with random weights."""
    torch.manual_seed(0)
    module = transformers.AutoModel.from_config(config).eval()
    randomise(module)
    module.config.use_cache = False
    return Model(
        name="tiny",
        module=module,
        tokenizer=None,
        config=config,
        window=16,
        d_model=WIDTH,
        fingerprint="",
        tokenizer_fingerprint="",
        revision=None,
        device=torch.device("cpu"),
        dtype=torch.float32,
    )


def randomise(module: nn.Module) -> None:
    """Give every parameter random values, by which the places of a block can be told apart."""
    # Fresh norms scale by 1, fresh biases are 0 and fresh weights are too small for a block to add
    # much: only random ones tell the places of a block from one another.
    for name, parameter in module.named_parameters():
        norm = "norm" in name.lower() or "ln_" in name or name.endswith("bias")
        nn.init.normal_(parameter, float(norm), 0.3)
    module.requires_grad_(requires_grad=False)


def batch_of(lengths: list[int], seed: int = 0) -> Batch:
    """One batch of random documents behind one special token each."""
    rng = np.random.default_rng(seed)
    documents = [
        TokenisedDocument(
            token_ids=rng.integers(3, VOCABULARY, n).astype(np.int32),
            starts=np.arange(n, dtype=np.uint32),
            lengths=np.ones(n, np.uint16),
            prefix=np.array([2], np.int32),
            suffix=np.array([], np.int32),
        )
        for n in lengths
    ]
    windows = cut_windows(documents, TokenSettings(window=16))
    (batch,) = batches(windows, 10_000)
    return batch


def close(a: Tensor, b: Tensor) -> None:
    """Raise where two tensors differ by more than rounding."""
    torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
