"""delphi's `LatentCache` over a workload: `python -m benchmarks.peers.delphi_cache JSON OUT`."""

import sys
from pathlib import Path

import numpy as np
import torch
from delphi.latents import LatentCache
from torch import Tensor
from transformers import AutoModel

from benchmarks.common.measure import Stretch, print_result, size_bytes
from benchmarks.encode.workload import Workload
from benchmarks.peers.topk import DenseTopK

BATCH_SEQUENCES, N_SPLITS = 32, 5  # the defaults of its CacheConfig


def main(workload: Workload, out: Path) -> None:
    torch.set_num_threads(workload.threads)
    model = AutoModel.from_pretrained(workload.model, dtype=torch.float32).eval()
    encode = DenseTopK(workload.dictionary)
    tokens = torch.from_numpy(np.load(str(workload.tokens)))
    text = slice(workload.n_prefix, workload.window - workload.n_suffix)

    def dense_encode(x: Tensor) -> Tensor:
        latents = encode(x)
        latents[:, : text.start] = 0  # special tokens get no codes, as everywhere here
        latents[:, text.stop :] = 0
        return latents

    with torch.no_grad():
        model(tokens[:1, :1])
    stretch = Stretch()
    cache = LatentCache(model, {workload.module: dense_encode}, batch_size=BATCH_SEQUENCES)
    cache.run(tokens.numel(), tokens)
    cache.save_splits(N_SPLITS, out)
    print_result(
        **stretch.stop(),
        n_tokens=len(cache.cache.tokens[workload.module]) * (text.stop - text.start),
        n_codes=len(cache.cache.latent_activations[workload.module]),
        codes_bytes=size_bytes(out),
    )


if __name__ == "__main__":
    main(Workload.read(sys.argv[1]), Path(sys.argv[2]))
