"""A SAELens top-k dictionary as its peers hold one: dense latents, in plain torch."""

import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor


class DenseTopK:
    """Encodes activations `(..., d_in)` to latents `(..., d_sae)`, all but k of them zero."""

    def __init__(self, folder: str) -> None:
        weights = load_file(Path(folder) / "sae_weights.safetensors")
        self.k: int = json.loads((Path(folder) / "cfg.json").read_text())["k"]
        self.W_enc, self.b_enc, self.b_dec = (
            weights[name].float() for name in ("W_enc", "b_enc", "b_dec")
        )

    def __call__(self, x: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        pre = torch.addmm(self.b_enc, flat - self.b_dec, self.W_enc).relu()
        strongest = pre.topk(self.k, sorted=False)
        latents = torch.zeros_like(pre).scatter_(-1, strongest.indices, strongest.values)
        return latents.reshape(*x.shape[:-1], -1)
