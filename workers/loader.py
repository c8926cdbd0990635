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

from saelake.store.blocks import BlockReader, TokenBlock
from saelake.store.errors import InvalidInput
from saelake.workers.keep import TORCH_TYPES

READERS = 2
READ_AHEAD = 4  # blocks


class ActivationBatch(NamedTuple):
    """Activations of n tokens: `vectors` (n, d_in) float16 or bfloat16; the others int64 (n,)."""

    vectors: Tensor
    doc: Tensor
    position: Tensor
    token_id: Tensor

    def to(self, device: str) -> "ActivationBatch":
        """The same on a device."""
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
        info = get_worker_info()
        worker, n_workers = (info.id, info.num_workers) if info else (0, 1)
        order = np.arange(len(self._reader.blocks))
        if self._options.shuffle:
            self._random().shuffle(order)
        blocks = self._read(order[worker::n_workers].tolist())
        if self._options.shuffle:
            buffer = ShuffleBuffer(self._capacity(n_workers), self._reader, self._random(worker))
            batches = _shuffled(blocks, buffer, self._options.batch_size)
        else:
            batches = _in_order(blocks, self._options.batch_size)
        for batch in batches:
            if len(batch.doc) == self._options.batch_size or not self._options.drop_last:
                yield batch

    def _random(self, *stream: int) -> np.random.Generator:
        return np.random.default_rng([self._options.seed, self.epoch, *stream])

    def _read(self, order: Sequence[int]) -> Iterator[ActivationBatch]:
        """The blocks in this order; some are read before they are asked for."""
        table = self._reader.open()
        dtype = TORCH_TYPES[self._reader.settings.dtype]
        # Of all kinds of threads only a pool's end in peace with an interpreter that ends.
        with ThreadPoolExecutor(READERS, "saelake-read") as pool:
            waiting: deque[Future[TokenBlock]] = deque()
            for block in order:
                waiting.append(pool.submit(self._reader.read, table, block))
                if len(waiting) > READ_AHEAD:
                    yield _as_tensors(waiting.popleft().result(), dtype)
            while waiting:
                yield _as_tensors(waiting.popleft().result(), dtype)

    def _capacity(self, n_workers: int) -> int:
        """The tokens of a worker's buffer: two blocks and batches at least, but not over all."""
        blocks, d_in = self._reader.blocks, self._reader.settings.d_in
        token_bytes = 2 * d_in + 8 * len(ActivationBatch._fields[1:])
        least = 2 * (self._options.batch_size + blocks.largest)
        wanted = self._options.buffer_bytes // n_workers // token_bytes
        return min(max(wanted, least), blocks.n_tokens)


class ShuffleBuffer:
    """Room for a number of tokens, which leave it in random order."""

    def __init__(self, capacity: int, reader: BlockReader, random: np.random.Generator) -> None:
        dtype = TORCH_TYPES[reader.settings.dtype]
        self._random = random
        self._vectors = torch.empty((capacity, reader.settings.d_in), dtype=dtype)
        self._places = torch.empty((capacity, 3), dtype=torch.int64)
        self._slots = np.arange(capacity)  # the first `n_tokens` are taken, the last leaves first
        self.n_tokens = 0

    @property
    def capacity(self) -> int:
        """How many tokens there is room for."""
        return len(self._slots)

    def put(self, tokens: ActivationBatch) -> None:
        """Take in tokens, for which there is room."""
        end = self.n_tokens + len(tokens.doc)
        slots = torch.from_numpy(self._slots[self.n_tokens : end])
        self._vectors.index_copy_(0, slots, tokens.vectors)
        self._places.index_copy_(0, slots, torch.stack(tokens[1:], dim=1))
        self.n_tokens = end

    def shuffle(self) -> None:
        """Mix what is in the buffer."""
        self._random.shuffle(self._slots[: self.n_tokens])

    def pop(self, size: int) -> ActivationBatch:
        """The next `size` tokens, or all if there are fewer."""
        begin = max(self.n_tokens - size, 0)
        slots = torch.from_numpy(self._slots[begin : self.n_tokens])
        self.n_tokens = begin
        places = self._places.index_select(0, slots).unbind(dim=1)
        return ActivationBatch(self._vectors.index_select(0, slots), *places)


def _shuffled(
    blocks: Iterator[ActivationBatch], buffer: ShuffleBuffer, batch_size: int
) -> Iterator[ActivationBatch]:
    """Batches drawn from the buffer, which is refilled when it is half empty."""
    for block in blocks:
        if buffer.n_tokens + len(block.doc) > buffer.capacity:
            buffer.shuffle()
            while buffer.n_tokens >= buffer.capacity // 2 + batch_size:
                yield buffer.pop(batch_size)
        buffer.put(block)
    buffer.shuffle()
    while buffer.n_tokens:
        yield buffer.pop(batch_size)


def _in_order(blocks: Iterator[ActivationBatch], batch_size: int) -> Iterator[ActivationBatch]:
    waiting: list[ActivationBatch] = []
    for block in blocks:
        waiting.append(block)
        if sum(len(tokens.doc) for tokens in waiting) >= batch_size:
            *whole, rest = _cut(waiting, batch_size)
            yield from whole
            waiting = [rest]
    yield from (batch for batch in _cut(waiting, batch_size) if len(batch.doc))


def _cut(tokens: Sequence[ActivationBatch], batch_size: int) -> list[ActivationBatch]:
    """The tokens in pieces of `batch_size`, of which the last may be smaller."""
    columns = (torch.cat(column).split(batch_size) for column in zip(*tokens, strict=True))
    return [ActivationBatch(*piece) for piece in zip(*columns, strict=True)]


def _as_tensors(tokens: TokenBlock, dtype: torch.dtype) -> ActivationBatch:
    places = (tokens.doc, tokens.position, tokens.token_id)
    return ActivationBatch(
        torch.from_numpy(tokens.vectors.view(np.int16)).view(dtype),
        *(torch.from_numpy(place.astype(np.int64)) for place in places),
    )
