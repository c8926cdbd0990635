"""Tokens in random order within bounded memory: a buffer that is refilled when half empty."""

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from saelake.store.activations.blocks import TokenBlock


class ShuffleBuffer:
    """Room for a number of tokens, which leave it in random order.

    NumPy copies rows here: torch's threads wait for each other on a machine that is busy.
    """

    def __init__(self, capacity: int, random: np.random.Generator) -> None:
        self.capacity = capacity
        self.n_tokens = 0
        self._random = random
        self._rows: TokenBlock | None = None
        self._slots = np.arange(capacity)  # the first `n_tokens` are taken, the last leaves first

    def put(self, tokens: TokenBlock) -> None:
        """Take in tokens, for which there is room."""
        if self._rows is None:
            empty = (np.empty((self.capacity, *c.shape[1:]), c.dtype) for c in tokens.columns)
            self._rows = TokenBlock(*empty)
        end = self.n_tokens + len(tokens)
        slots = self._slots[self.n_tokens : end]
        for rows, column in zip(self._rows.columns, tokens.columns, strict=True):
            rows[slots] = column
        self.n_tokens = end

    def shuffle(self) -> None:
        """Mix what is in the buffer."""
        self._random.shuffle(self._slots[: self.n_tokens])

    def pop(self, size: int) -> TokenBlock:
        """The next `size` tokens, or all if there are fewer; there is one at least."""
        assert self._rows is not None
        begin = max(self.n_tokens - size, 0)
        slots = self._slots[begin : self.n_tokens]
        self.n_tokens = begin
        return TokenBlock(*(column.take(slots, axis=0) for column in self._rows.columns))


def shuffled(
    blocks: Iterable[TokenBlock], buffer: ShuffleBuffer, batch_size: int
) -> Iterator[TokenBlock]:
    """Batches drawn from the buffer, which is refilled when it is half empty.

    It needs room for two blocks and two batches, or for all tokens.
    """
    for block in blocks:
        if buffer.n_tokens + len(block) > buffer.capacity:
            buffer.shuffle()
            while buffer.n_tokens >= buffer.capacity // 2 + batch_size:
                yield buffer.pop(batch_size)
        buffer.put(block)
    buffer.shuffle()
    while buffer.n_tokens:
        yield buffer.pop(batch_size)


def in_order(blocks: Iterable[TokenBlock], batch_size: int) -> Iterator[TokenBlock]:
    """The tokens as they come, in batches, of which the last may be smaller."""
    waiting: list[TokenBlock] = []
    for block in blocks:
        waiting.append(block)
        if sum(map(len, waiting)) >= batch_size:
            *whole, rest = _cut(waiting, batch_size)
            yield from whole
            waiting = [rest]
    if any(map(len, waiting)):
        yield from _cut(waiting, batch_size)


def _cut(blocks: Sequence[TokenBlock], size: int) -> list[TokenBlock]:
    """The tokens in pieces, of which the last may be smaller; there is one token at least."""
    tokens = TokenBlock.joined(blocks)
    return [tokens[first : first + size] for first in range(0, len(tokens), size)]
