"""The bare loop: a model cut off after the hooked block, and what passes there."""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from saelake.workers.encoder.batches import Batch


@contextmanager
def truncated(model: nn.Module, module: str) -> Iterator[None]:
    """Take out the blocks after `module`, and put them back at the end."""
    stack, _, index = module.rpartition(".")
    parent, _, name = stack.rpartition(".")
    blocks = model.get_submodule(stack)
    assert isinstance(blocks, nn.ModuleList)
    setattr(model.get_submodule(parent), name, blocks[: int(index) + 1])
    try:
        yield
    finally:
        setattr(model.get_submodule(parent), name, blocks)


class Tap:
    """Runs a model, and keeps the output `(rows, length, d)` of one of its modules."""

    def __init__(self, model: nn.Module, module: str) -> None:
        self._model = model
        self._device = next(model.parameters()).device
        self._handle = model.get_submodule(module).register_forward_hook(self._keep)

    def _keep(self, _module: nn.Module, _args: object, output: Tensor | tuple[Tensor, ...]) -> None:
        self._output = output[0] if isinstance(output, tuple) else output

    @torch.inference_mode()
    def dense(self, batch: Batch) -> Tensor:
        """The activations of a whole batch."""
        mask = None
        if not batch.attention_mask.all():
            mask = torch.from_numpy(batch.attention_mask).to(self._device)
        self._model(
            input_ids=torch.from_numpy(batch.input_ids).to(self._device), attention_mask=mask
        )
        return self._output

    def kept(self, batch: Batch) -> Tensor:
        """The activations of the tokens that are stored, `(n_kept, d)`."""
        kept = torch.from_numpy(np.flatnonzero(batch.keep)).to(self._device)
        return self.dense(batch).flatten(0, 1)[kept]

    def close(self) -> None:
        """Take the hook out of the model."""
        self._handle.remove()
