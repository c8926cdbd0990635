"""Kept activations as a torch DataLoader: shuffled within bounded memory, each token once."""

from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from saelake.store.activations.blocks import BlockReader, TokenBlock
from saelake.store.errors import InvalidInput
from saelake.workers.encoder.keep import TORCH_TYPES
from saelake.workers.kept.shuffle import ShuffleBuffer, in_order, shuffled

PLACE_BYTES = 24  # of document, position, token id and slot, a token
READERS = 2
READ_AHEAD = 4  # blocks


class ActivationBatch(NamedTuple):
    """Activations of n tokens: `vectors` (n, d_in) float16 or bfloat16; the others int64 (n,)."""

    vectors: Tensor
    doc: Tensor
    position: Tensor
    token_id: Tensor

    def to(self, device: str) -> "ActivationBatch":
        """The batch on a device."""
        return ActivationBatch(*(column.to(device, non_blocking=True) for column in self))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoaderOptions:
    """How activations are loaded; `buffer_bytes` is for the buffers of all workers together."""

    batch_size: int
    shuffle: bool
    seed: int
    epochs: int
    buffer_bytes: int
    drop_last: bool

    def __post_init__(self) -> None:
        problems = []
        if self.batch_size < 1:
            problems.append(f"a batch has at least 1 token, not {self.batch_size}")
        if self.epochs < 1:
            problems.append(f"there is at least 1 epoch, not {self.epochs}")
        if self.buffer_bytes < 1 << 20:
            problems.append(f"a buffer has at least 1 MiB, not {self.buffer_bytes} bytes")
        if self.seed < 0:
            problems.append(f"a seed is not negative, as {self.seed}")
        if problems:
            raise InvalidInput("; ".join(problems) + ".")


def batch_of(tokens: TokenBlock, dtype: torch.dtype) -> ActivationBatch:
    """The tokens as tensors."""
    return ActivationBatch(
        torch.from_numpy(tokens.vectors.view(np.int16)).view(dtype),
        *(
            torch.from_numpy(place.astype(np.int64))
            for place in (tokens.doc, tokens.position, tokens.token_id)
        ),
    )


class ActivationLoader(DataLoader[ActivationBatch]):
    """Batches of kept activations. Each iteration is of the next epochs, in new orders.

    Raises `InvalidInput` for a batch or buffer that cannot be.
    """

    def __init__(
        self, reader: BlockReader, options: LoaderOptions, *, num_workers: int, device: str | None
    ) -> None:
        self._activations = ActivationDataset(reader, options)
        self._options = options
        self._target = device
        super().__init__(
            self._activations,
            batch_size=None,  # the dataset makes batches
            num_workers=num_workers,
            # Lance does not survive a fork.
            multiprocessing_context="spawn" if num_workers else None,
            pin_memory=device is not None and torch.device(device).type == "cuda",
        )

    def set_epoch(self, epoch: int) -> None:
        """Begin the next iteration with this epoch, as when a training goes on."""
        self._activations.epoch = epoch

    def __iter__(self) -> Any:  # of batches, which the base class does not say
        for _ in range(self._options.epochs):
            for batch in super().__iter__():
                yield batch if self._target is None else batch.to(self._target)
            self._activations.epoch += 1


class ActivationDataset(IterableDataset[ActivationBatch]):
    """The batches of one epoch, or of the blocks of it that fall to one worker."""

    def __init__(self, reader: BlockReader, options: LoaderOptions) -> None:
        self._reader = reader
        self._options = options
        self.epoch = 0

    def __iter__(self) -> Iterator[ActivationBatch]:
        dtype, size = TORCH_TYPES[self._reader.settings.dtype], self._options.batch_size
        for tokens in self._batches():
            if len(tokens) == size or not self._options.drop_last:
                yield batch_of(tokens, dtype)

    def _batches(self) -> Iterator[TokenBlock]:
        info = get_worker_info()
        worker, n_workers = (info.id, info.num_workers) if info else (0, 1)
        order = np.arange(len(self._reader.blocks))
        if self._options.shuffle:
            self._random().shuffle(order)
        blocks = self._read(order[worker::n_workers].tolist())
        if not self._options.shuffle:
            return in_order(blocks, self._options.batch_size)
        buffer = ShuffleBuffer(self._capacity(n_workers), self._random(worker))
        return shuffled(blocks, buffer, self._options.batch_size)

    def _random(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self._options.seed, self.epoch, *stream])

    def _read(self, order: Sequence[int]) -> Iterator[TokenBlock]:
        """The blocks in this order; some are read before they are asked for."""
        table = self._reader.open()
        # Of all kinds of threads only a pool's end in peace with an interpreter that ends.
        with ThreadPoolExecutor(READERS, "saelake-read") as pool:
            waiting: deque[Future[TokenBlock]] = deque()
            for block in order:
                waiting.append(pool.submit(self._reader.read, table, block))
                if len(waiting) > READ_AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

    def _capacity(self, n_workers: int) -> int:
        """The tokens of a worker's buffer: two blocks and batches at least, but not over all."""
        blocks, d_in = self._reader.blocks, self._reader.settings.d_in
        token_bytes = 2 * d_in + PLACE_BYTES
        least = 2 * (self._options.batch_size + blocks.largest)
        wanted = self._options.buffer_bytes // n_workers // token_bytes
        return min(max(wanted, least), blocks.n_tokens)
