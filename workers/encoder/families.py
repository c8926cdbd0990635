"""Families of models: which module's input or output each TransformerLens name means.

A name means the place that TransformerLens gives it (`components/transformer_block.py`,
`bert_block.py` and `model_bridge/supported_architectures` of TransformerLens 3.9), in the model as
transformers runs it: nothing folded, nothing centered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Side = Literal["input", "output"]

# What is meant of the vector that passes: all of it, what the norm makes of it before its gain and
# bias, or one of several projections that were made at once.
Meant = Literal["all", "normalized", "q", "k", "v", "gate", "up"]


@dataclass(frozen=True, slots=True)
class Site:
    """A side of a module, what is meant of its vector, and in which of its runs in a forward."""

    path: str
    side: Side
    meant: Meant = "all"
    call: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFamily:
    """The places of a family of models: within each block, and within the whole stack.

    With `shared` blocks there are fewer modules than blocks, and each runs for several. With
    `qkv_by_head` a projection that makes queries, keys and values has those of one head together.
    """

    blocks: str
    within: Mapping[str, Site]
    whole: Mapping[str, Site]
    shared: bool = False
    qkv_by_head: bool = False


def _sublayer(name: str, path: str, end: str | None = None) -> dict[str, Site]:
    """What a sublayer's module reads, after the norm before it, and gives, before one after it."""
    return {f"{name}.hook_in": _input(path), f"{name}.hook_out": _output(end or path)}


def _input(path: str) -> Site:
    return Site(path, "input")


def _output(path: str) -> Site:
    return Site(path, "output")


def _norms(first: str, second: str) -> dict[str, Site]:
    return {
        "ln1.hook_normalized": Site(first, "input", "normalized"),
        "ln2.hook_normalized": Site(second, "input", "normalized"),
    }


def _heads(q: str, k: str, v: str, z: str) -> dict[str, Site]:
    """Queries and keys are read before they are normed and rotated."""
    return {
        "attn.hook_q": _output(q),
        "attn.hook_k": _output(k),
        "attn.hook_v": _output(v),
        "attn.hook_z": _input(z),
    }


def _fused_heads(qkv: str, z: str) -> dict[str, Site]:
    return {
        "attn.hook_q": Site(qkv, "output", "q"),
        "attn.hook_k": Site(qkv, "output", "k"),
        "attn.hook_v": Site(qkv, "output", "v"),
        "attn.hook_z": _input(z),
    }


def _mlp(first: str, second: str) -> dict[str, Site]:
    """A plain MLP: before its nonlinearity, and after."""
    return {"mlp.hook_pre": _output(first), "mlp.hook_post": _input(second)}


BLOCK: Mapping[str, Site] = {"hook_resid_pre": _input(""), "hook_resid_post": _output("")}

_GPT2 = ModelFamily(
    blocks="h",
    within={
        **BLOCK,
        "hook_resid_mid": _input("ln_2"),
        "hook_attn_out": _output("attn"),
        "hook_mlp_in": _input("ln_2"),
        "hook_mlp_out": _output("mlp"),
        **_norms("ln_1", "ln_2"),
        **_sublayer("attn", "attn"),
        **_fused_heads("attn.c_attn", "attn.c_proj"),
        **_sublayer("mlp", "mlp"),
        **_mlp("mlp.c_fc", "mlp.c_proj"),
    },
    whole={"hook_embed": _output("wte")},
)

_GPT_NEO = ModelFamily(
    blocks="h",
    within={
        **_GPT2.within,
        **_heads(
            "attn.attention.q_proj",
            "attn.attention.k_proj",
            "attn.attention.v_proj",
            "attn.attention.out_proj",
        ),
    },
    whole=_GPT2.whole,
)

# Attention and MLP both read the block's input: there is no residual stream between them. One norm
# serves both, where TransformerLens has two alike.
_GPTJ = ModelFamily(
    blocks="h",
    within={
        **BLOCK,
        "hook_attn_out": _output("attn"),
        "hook_mlp_in": _input("ln_1"),
        "hook_mlp_out": _output("mlp"),
        **_norms("ln_1", "ln_1"),
        **_sublayer("attn", "attn"),
        **_heads("attn.q_proj", "attn.k_proj", "attn.v_proj", "attn.out_proj"),
        **_sublayer("mlp", "mlp"),
        **_mlp("mlp.fc_in", "mlp.fc_out"),
    },
    whole={"hook_embed": _output("wte")},
)

_PHI = ModelFamily(
    blocks="layers",
    within={
        **BLOCK,
        "hook_attn_out": _output("self_attn"),
        "hook_mlp_in": _input("input_layernorm"),
        "hook_mlp_out": _output("mlp"),
        **_norms("input_layernorm", "input_layernorm"),
        **_sublayer("attn", "self_attn"),
        **_heads("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.dense"),
        **_sublayer("mlp", "mlp"),
        **_mlp("mlp.fc1", "mlp.fc2"),
    },
    whole={"hook_embed": _output("embed_tokens")},
)

_GPT_NEOX = ModelFamily(
    blocks="layers",
    within={
        **BLOCK,
        "hook_attn_out": _output("attention"),
        "hook_mlp_in": _input("post_attention_layernorm"),
        "hook_mlp_out": _output("mlp"),
        **_norms("input_layernorm", "post_attention_layernorm"),
        **_sublayer("attn", "attention"),
        **_fused_heads("attention.query_key_value", "attention.dense"),
        **_sublayer("mlp", "mlp"),
        **_mlp("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
    },
    whole={"hook_embed": _output("embed_in")},
    qkv_by_head=True,
)

_GPT_NEOX_SEQUENTIAL = ModelFamily(
    blocks="layers",
    within={**_GPT_NEOX.within, "hook_resid_mid": _input("post_attention_layernorm")},
    whole=_GPT_NEOX.whole,
    qkv_by_head=True,
)

_OPT = ModelFamily(
    blocks="decoder.layers",
    within={
        **BLOCK,
        "hook_resid_mid": _input("final_layer_norm"),
        "hook_attn_out": _output("self_attn"),
        "hook_mlp_in": _input("final_layer_norm"),
        "hook_mlp_out": _output("fc2"),
        **_norms("self_attn_layer_norm", "final_layer_norm"),
        **_sublayer("attn", "self_attn"),
        **_heads("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"),
        **_sublayer("mlp", "fc1", "fc2"),
        **_mlp("fc1", "fc2"),
    },
    whole={"hook_embed": _output("decoder.embed_tokens")},
)

# Of several experts there is no one inside. The embedding is read where it enters the first block:
# Gemma scales it on the way there.
_MIXTURE = ModelFamily(
    blocks="layers",
    within={
        **BLOCK,
        "hook_resid_mid": _input("post_attention_layernorm"),
        "hook_attn_out": _output("self_attn"),
        "hook_mlp_in": _input("post_attention_layernorm"),
        "hook_mlp_out": _output("mlp"),
        **_norms("input_layernorm", "post_attention_layernorm"),
        **_sublayer("attn", "self_attn"),
        **_heads("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj"),
        **_sublayer("mlp", "mlp"),
    },
    whole={"hook_embed": _input("layers.0")},
)

_LLAMA = ModelFamily(
    blocks="layers",
    within={
        **_MIXTURE.within,
        **_mlp("mlp.gate_proj", "mlp.down_proj"),
        "mlp.hook_pre_linear": _output("mlp.up_proj"),
    },
    whole=_MIXTURE.whole,
)

# Its norms have neither gain nor bias, and do not say their eps.
_OLMO = ModelFamily(
    blocks="layers",
    within={
        **_LLAMA.within,
        "ln1.hook_normalized": _output("input_layernorm"),
        "ln2.hook_normalized": _output("post_attention_layernorm"),
    },
    whole=_LLAMA.whole,
)

_PHI3 = ModelFamily(
    blocks="layers",
    within={
        **_MIXTURE.within,
        **_fused_heads("self_attn.qkv_proj", "self_attn.o_proj"),
        "mlp.hook_pre": Site("mlp.gate_up_proj", "output", "gate"),
        "mlp.hook_pre_linear": Site("mlp.gate_up_proj", "output", "up"),
        "mlp.hook_post": _input("mlp.down_proj"),
    },
    whole=_LLAMA.whole,
)

# Gemma 2 and 3 norm what a sublayer adds, and TransformerLens's names mean what is added.
_GEMMA2 = ModelFamily(
    blocks="layers",
    within={
        **_LLAMA.within,
        "hook_resid_mid": _input("pre_feedforward_layernorm"),
        "hook_attn_out": _output("post_attention_layernorm"),
        "hook_mlp_in": _input("pre_feedforward_layernorm"),
        "hook_mlp_out": _output("post_feedforward_layernorm"),
        **_norms("input_layernorm", "pre_feedforward_layernorm"),
    },
    whole=_LLAMA.whole,
)

# Sublayers are read before the residual sum and LayerNorm that follow them.
_BERT = ModelFamily(
    blocks="encoder.layer",
    within={
        **BLOCK,
        "hook_normalized_resid_post": _output(""),
        "hook_resid_mid": _input("attention.output.LayerNorm"),
        "hook_attn_out": _output("attention.output.dense"),
        "hook_mlp_in": _input("attention.output.LayerNorm"),
        "hook_mlp_out": _output("output.dense"),
        **_norms("attention.output.LayerNorm", "output.LayerNorm"),
        **_sublayer("attn", "attention.self", "attention.output.dense"),
        **_heads(
            "attention.self.query",
            "attention.self.key",
            "attention.self.value",
            "attention.output.dense",
        ),
        **_sublayer("mlp", "intermediate", "output.dense"),
        **_mlp("intermediate.dense", "output.dense"),
    },
    whole={
        "hook_embed": _output("embeddings.word_embeddings"),
        "hook_full_embed": _output("embeddings"),
    },
)

_ALBERT = ModelFamily(
    blocks="encoder.albert_layer_groups",
    within=BLOCK,
    whole={
        "hook_embed": _output("embeddings.word_embeddings"),
        "hook_full_embed": _output("embeddings"),
    },
    shared=True,
)

FAMILIES: Mapping[str, ModelFamily] = {
    "albert": _ALBERT,
    "bert": _BERT,
    "camembert": _BERT,
    "electra": _BERT,
    "gemma": _LLAMA,
    "gemma2": _GEMMA2,
    "gemma3_text": _GEMMA2,
    "gpt2": _GPT2,
    "gpt_neo": _GPT_NEO,
    "gpt_neox": _GPT_NEOX,
    "gptj": _GPTJ,
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "mixtral": _MIXTURE,
    "olmo": _OLMO,
    "opt": _OPT,
    "phi": _PHI,
    "phi3": _PHI3,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "qwen3_moe": _MIXTURE,
    "roberta": _BERT,
    "smollm3": _LLAMA,
    "xlm-roberta": _BERT,
}


def known_family(config: Any) -> ModelFamily | None:
    """The family of a model's text configuration, if it is one of those here."""
    if config.model_type == "gpt_neox" and not config.use_parallel_residual:
        return _GPT_NEOX_SEQUENTIAL
    if config.model_type == "opt" and not config.do_layer_norm_before:
        return None  # one of its sizes norms after each sum, and TransformerLens does not have it
    return FAMILIES.get(config.model_type)
