"""Dense embeddings of texts, pooled as the model's folder says.

A sentence-transformers folder has `1_Pooling/config.json` and `sentence_bert_config.json`; another
model's tokens are averaged. Vectors have length 1.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.utils import cached_file

from saelake.store.errors import ModelError
from saelake.store.format.lists import Array
from saelake.workers.encoder.models import Model, load_model

BATCH_TOKENS = 4096
POOLINGS = {  # as sentence-transformers 6 calls them, and the flags of older ones
    "mean": "mean",
    "cls": "cls",
    "max": "max",
    "lasttoken": "last",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
}
MODULES = ("Transformer", "Pooling", "Normalize")


@dataclass(frozen=True)
class SentenceModel:
    """A transformer that makes one vector of a text: `pooling` of its last hidden states."""

    model: Model
    pooling: str
    window: int

    @classmethod
    def load(cls, location: str, *, device: str | None = None) -> "SentenceModel":
        """The model of a folder or hub id. Raises `ModelError`, also for parts unknown here."""
        model = load_model(location, device=device)
        _check_modules(location, _config(location, "modules.json") or [])
        config = _config(location, "1_Pooling/config.json") or {}
        longest = (_config(location, "sentence_bert_config.json") or {}).get("max_seq_length")
        window = min(model.window, int(longest)) if longest else model.window
        return cls(model, _pooling(location, config), window)

    @cached_property
    def width(self) -> int:
        """How many numbers a vector has."""
        return self.model.d_model

    def embed(self, texts: Sequence[str]) -> Array:
        """Vectors of length 1, float32 (n, width). A text longer than the window is cut off.

        A text without tokens has a vector of zeros.
        """
        vectors = np.zeros((len(texts), self.width), np.float32)
        if len(texts) == 0:
            return vectors
        found = self.model.tokenizer(list(texts), truncation=True, max_length=self.window)
        ids = found["input_ids"]
        for rows in _batches([len(row) for row in ids]):
            vectors[rows] = self._vectors([ids[row] for row in rows])
        return vectors

    def _vectors(self, ids: Sequence[Sequence[int]]) -> Array:
        """Padded on the right, so that each text's tokens stand where they stand alone."""
        padding = self.model.tokenizer.pad_token_id or 0
        padded = torch.full((len(ids), max(map(len, ids))), padding)
        mask = torch.zeros_like(padded)
        for row, tokens in enumerate(ids):
            padded[row, : len(tokens)] = torch.tensor(tokens)
            mask[row, : len(tokens)] = 1
        padded, mask = padded.to(self.model.device), mask.to(self.model.device)
        with torch.inference_mode():
            states = self.model.module(input_ids=padded, attention_mask=mask).last_hidden_state
            pooled = _POOL[self.pooling](states.float(), mask)
            unit: Array = torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
        return unit


def _check_modules(location: str, modules: Sequence[Mapping[str, str]]) -> None:
    """Raise `ModelError` for a step that would change the vectors, as a dense layer."""
    names = [module["type"].rpartition(".")[2] for module in modules]
    unknown = next((name for name in names if name not in MODULES), None)
    if unknown is not None:
        raise ModelError(
            f"{location} has a module {unknown}; saelake knows {', '.join(MODULES)}.",
            model=location,
        )


def _pooling(location: str, config: Mapping[str, Any]) -> str:
    stated = config.get("pooling_mode", [])
    chosen = [stated] if isinstance(stated, str) else list(stated)
    chosen += [name for name, on in config.items() if name.startswith("pooling_") and on is True]
    known = [POOLINGS[name] for name in chosen if name in POOLINGS]
    if len(chosen) > 1 or len(known) < len(chosen):
        raise ModelError(
            f"{location} pools its tokens by {' and '.join(chosen)}; saelake knows one of "
            f"{', '.join(_POOL)}.",
            model=location,
        )
    return known[0] if known else "mean"


def _config(location: str, name: str) -> Any:
    """What a JSON file beside the model says, or None where there is none."""
    folder = Path(location).expanduser()
    if folder.is_dir():
        path = folder / name
        found = path if path.is_file() else None
    else:
        found = cached_file(
            location,
            name,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    try:
        return json.loads(Path(found).read_text()) if found else None
    except ValueError as error:
        raise ModelError(f"{found} is not JSON: {error}.", model=location) from error


def _batches(lengths: Sequence[int]) -> list[list[int]]:
    """Texts of like length together, at most `BATCH_TOKENS` tokens with their padding.

    Without those that have no token.
    """
    batches: list[list[int]] = []
    for row in np.argsort(lengths, kind="stable").tolist():
        if lengths[row] == 0:
            continue
        if not batches or (len(batches[-1]) + 1) * lengths[row] > BATCH_TOKENS:
            batches.append([])
        batches[-1].append(row)
    return batches


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    weight = mask.unsqueeze(-1).to(states.dtype)
    return (states * weight).sum(1) / weight.sum(1).clamp(min=1e-9)


def _last(states: Tensor, mask: Tensor) -> Tensor:
    return states[torch.arange(len(states)), mask.sum(1) - 1]


def _first(states: Tensor, _: Tensor) -> Tensor:
    return states[:, 0]


def _largest(states: Tensor, mask: Tensor) -> Tensor:
    return states.masked_fill(mask.unsqueeze(-1) == 0, -torch.inf).amax(1)


_POOL = {"mean": _mean, "cls": _first, "max": _largest, "last": _last}
