"""Whatever runs the model, encoding has the same activations of it: other ways to read them."""

import importlib.util
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from saelake.store.format.schema import CollectionSettings
from saelake.workers.dictionaries.load import load_dictionary
from saelake.workers.encoder.batches import Batch, Window
from saelake.workers.encoder.encode import PageEncoder, Target
from saelake.workers.encoder.hooks import HookPoint, resolve_hook
from saelake.workers.encoder.models import Model, load_model
from saelake.workers.encoder.pages import pages
from saelake.workers.encoder.reader import ActivationReader, Reads
from saelake.workers.encoder.tokens import TokenSettings
from tests.small_models import CONFIGS, batch_of, built, close
from tests.tiny import save_dictionary, save_model

HOOKS = ["blocks.0.hook_resid_post", "blocks.1.hook_resid_post"]


class OtherWay:
    """Reads the residual stream after blocks, the whole model's run through."""

    def __init__(self, model: Model, hooks: Sequence[HookPoint]) -> None:
        self.model, self.hooks = model, hooks

    def __call__(self, batch: Batch) -> Mapping[str, Tensor]:
        inputs = {
            "input_ids": torch.from_numpy(batch.input_ids),
            "attention_mask": torch.from_numpy(batch.attention_mask),
        }
        with torch.inference_mode():
            states = self.states(inputs)
        kept = torch.from_numpy(batch.keep)
        return {h.name: s[kept] for h, s in zip(self.hooks, states, strict=True)}

    def states(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        raise NotImplementedError

    def widths(self) -> Mapping[str, int]:
        return {hook.name: self.model.d_model for hook in self.hooks}

    def unreadable(self, windows: Iterable[Window]) -> Mapping[int, str]:
        return {}


class Reported(OtherWay):
    """By what transformers reports of every block."""

    def states(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        found = self.model.module(**inputs, output_hidden_states=True).hidden_states
        return [found[(hook.layer or 0) + 1] for hook in self.hooks]


class Traced(OtherWay):
    """By nnsight."""

    def states(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        from nnsight import NNsight

        traced: Any = NNsight(self.model.module)
        first, second = (traced.get(hook.module_path) for hook in self.hooks)
        with traced.trace(**inputs):
            a = first.output.save()
            b = second.output.save()
        return [state if isinstance(state, Tensor) else state[0] for state in (a, b)]


has_nnsight = importlib.util.find_spec("nnsight") is not None
ways = pytest.mark.parametrize(
    "way",
    [
        Reported,
        pytest.param(Traced, marks=pytest.mark.skipif(not has_nnsight, reason="needs nnsight")),
    ],
)


@ways
@pytest.mark.filterwarnings("ignore:Module '.*' has a submodule named 'output':UserWarning")
@pytest.mark.parametrize("family", ["bert", "gemma2", "gpt2", "llama"])
def test_activations_are_the_same(way: type[OtherWay], family: str) -> None:
    model, batch = built(CONFIGS[family]), batch_of([9, 7, 3])
    hooks = [resolve_hook(model.module, name) for name in HOOKS]
    own: Reads = ActivationReader(model, hooks)
    other: Reads = way(model, hooks)
    want, found = own(batch), other(batch)
    assert other.widths() == own.widths()
    for name in HOOKS:
        close(found[name], want[name])


def test_codes_are_the_same(tmp_path: Path) -> None:
    model = load_model(str(save_model(tmp_path / "model")), device="cpu")
    dictionary = load_dictionary(str(save_dictionary(tmp_path / "sae")))
    settings = CollectionSettings(
        corpus="c",
        dictionary="d",
        fingerprint=dictionary.fingerprint,
        architecture=dictionary.architecture,
        d_in=dictionary.d_in,
        d_sae=dictionary.d_sae,
        signed=dictionary.signed,
        model=model.name,
        model_fingerprint=model.fingerprint,
        hook=str(dictionary.hook_name),
        window=model.window,
    )
    hook = resolve_hook(model.module, settings.hook)
    target = Target(settings=settings, dictionary=dictionary, hook=hook)
    texts = [([0, 1], ["w1 w2 w3", "w4 w5"])]
    tokens = TokenSettings(window=model.window)
    (page,) = pages(texts, model.tokenizer, tokens, page_tokens=1000)
    rows = [
        encoder.pack(encoder.encode(page, ["c/d"]), "c/d")
        for encoder in (
            PageEncoder(model, [target], batch_tokens=64, chunk_bytes=1 << 20, reads=reads)
            for reads in (ActivationReader, Reported)
        )
    ]
    assert rows[0]["features"] == rows[1]["features"]
    assert rows[0]["positions"] == rows[1]["positions"]
    assert len(rows[0]["features"].flatten())
