"""delphi's `LatentDataset` over a cache, asked for one feature after another.

`python -m benchmarks.peers.delphi_latents CACHE MODULE K THREADS` reads feature numbers from its
input, a line each, and answers each with a line of JSON: what delphi shows of the feature.
"""

import json
import sys
from pathlib import Path

import torch
from delphi.config import ConstructorConfig, SamplerConfig
from delphi.latents import LatentDataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import PreTrainedTokenizerFast


def main(cache: Path, module: str, k: int, threads: int) -> None:
    """Answer until the input ends."""
    torch.set_num_threads(threads)
    words = json.loads((cache / "vocabulary.json").read_text())
    model = WordLevel({word: i for i, word in enumerate(words)}, unk_token=words[0])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(model))
    # The k strongest windows, nothing else: no test examples, no windows that do not fire.
    sampler = SamplerConfig(n_examples_train=k, n_examples_test=0, train_type="top")
    constructor = ConstructorConfig(min_examples=1, n_non_activating=0)
    print("ready", flush=True)
    for line in sys.stdin:
        dataset = LatentDataset(
            raw_dir=cache,
            sampler_cfg=sampler,
            constructor_cfg=constructor,
            tokenizer=tokenizer,
            modules=[module],
            latents={module: torch.tensor([int(line)])},
        )
        shown = [
            {"value": float(example.max_activation), "text": " ".join(example.str_tokens)}
            for record in dataset
            for example in record.train
        ]
        print(json.dumps(shown), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
