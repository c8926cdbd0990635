"""Tiny models with random weights, dictionaries for them, and corpora of their words."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import transformers
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

SPECIAL = ["<unk>", "<s>", "[CLS]", "[SEP]"]
WORDS = [*SPECIAL, *(f"w{i}" for i in range(60))]
D_MODEL, D_SAE, K = 16, 64, 6
HOOK = "blocks.1.hook_resid_post"
CHAT = "{% for m in messages %}<s>{{ m['role'] }} {{ m['content'] }}{% endfor %}"


def _tokenizer(*, bert: bool, adds_bos: bool) -> Any:
    vocabulary = {word: i for i, word in enumerate(WORDS)}
    rust = Tokenizer(models.WordLevel(vocabulary, "<unk>"))
    rust.pre_tokenizer = pre_tokenizers.Whitespace()
    if adds_bos:
        rust.post_processor = processors.TemplateProcessing(
            single="<s> $A", special_tokens=[("<s>", 1)]
        )
    if bert:
        rust.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        return PreTrainedTokenizerFast(
            tokenizer_object=rust,
            unk_token="<unk>",
            cls_token="[CLS]",
            sep_token="[SEP]",
            pad_token="<unk>",
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=rust, unk_token="<unk>", bos_token="<s>", chat_template=CHAT
    )


def save_model(
    folder: Path, *, bert: bool = False, window: int = 32, adds_bos: bool = False
) -> Path:
    """A model of three layers with random weights; `adds_bos` is of its tokenizer."""
    torch.manual_seed(0)
    shape = {
        "vocab_size": len(WORDS),
        "hidden_size": D_MODEL,
        "intermediate_size": 24,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "max_position_embeddings": window,
        "initializer_range": 0.5,
    }
    module = (
        transformers.BertModel(transformers.BertConfig(**shape))
        if bert
        else transformers.LlamaModel(transformers.LlamaConfig(**shape))
    )
    module.save_pretrained(folder)
    _tokenizer(bert=bert, adds_bos=adds_bos).save_pretrained(folder)
    return folder


def save_dictionary(
    folder: Path,
    *,
    architecture: str = "topk",
    hook: str | None = HOOK,
    d_in: int = D_MODEL,
    d_sae: int = D_SAE,
    scale: float = 1.0,
    seed: int = 0,
    prepend_bos: bool | None = False,
    context_size: int | None = None,
) -> Path:
    """A SAELens dictionary with random weights, which states a context."""
    random = torch.Generator().manual_seed(seed)
    weights = {
        "W_enc": torch.randn(d_in, d_sae, generator=random) * scale,
        "b_enc": torch.randn(d_sae, generator=random) * 0.1,
        "W_dec": torch.randn(d_sae, d_in, generator=random),
        "b_dec": torch.randn(d_in, generator=random) * 0.1,
    }
    if architecture == "jumprelu":
        weights["threshold"] = torch.rand(d_sae, generator=random) * 2
    config = {
        "architecture": architecture,
        "d_in": d_in,
        "d_sae": d_sae,
        "k": K,
        "dtype": "float32",
        "device": "cpu",
        "apply_b_dec_to_input": True,
        "normalize_activations": "none",
        "metadata": {
            "hook_name": hook,
            "prepend_bos": prepend_bos,
            "context_size": context_size,
            "model_name": "tiny",
        },
    }
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cfg.json").write_text(json.dumps(config))
    save_file(weights, folder / "sae_weights.safetensors")
    return folder


def save_corpus(path: Path, n_documents: int, *, seed: int = 0, longest: int = 90) -> Path:
    """Documents of random words; every tenth is short, and some are of unknown words."""
    random = np.random.default_rng(seed)
    lengths = random.integers(1, longest, n_documents)
    lengths[::10] = 1
    texts = [" ".join(random.choice(WORDS[4:], n)) for n in lengths]
    labels = random.choice(["pos", "neg"], n_documents)
    table = pa.table({"id": [f"d{i}" for i in range(n_documents)], "text": texts, "label": labels})
    pq.write_table(table, path)
    return path


# What comes with a model may do anything: this one takes its time, tells which processes run it,
# and fails, or ends the process, that shows it a certain token.
_OWN_CODE = """
import os
import time
from pathlib import Path

from transformers import LlamaModel


class OwnModel(LlamaModel):
    def __init__(self, config):
        super().__init__(config)
        if config.processes:
            (Path(config.processes) / str(os.getpid())).touch()

    def forward(self, input_ids=None, **kwargs):
        time.sleep(self.config.nap_s)
        if (input_ids == self.config.deadly_token).any():
            os.abort()
        if (input_ids == self.config.failing_token).any():
            raise ArithmeticError("this model cannot run that token")
        return super().forward(input_ids=input_ids, **kwargs)
"""


def save_model_with_code(
    folder: Path,
    *,
    nap_s: float = 0.0,
    deadly: str | None = None,
    failing: str | None = None,
    processes: Path | None = None,
) -> Path:
    """The model of `save_model`, with code of its own, which needs `trust_remote_code`.

    It sleeps `nap_s` in each run, aborts the process at the word `deadly`, raises at the word
    `failing`, and touches a file named after its process in the folder `processes`.
    """
    save_model(folder)
    (folder / "own.py").write_text(_OWN_CODE)
    config = json.loads((folder / "config.json").read_text())
    config |= {
        "auto_map": {"AutoModel": "own.OwnModel"},
        "nap_s": nap_s,
        "deadly_token": -1 if deadly is None else WORDS.index(deadly),
        "failing_token": -1 if failing is None else WORDS.index(failing),
        "processes": None if processes is None else str(processes),
    }
    (folder / "config.json").write_text(json.dumps(config))
    return folder
