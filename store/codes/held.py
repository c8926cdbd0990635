"""Which tokens a collection holds: all, or those of a sample whose activations were kept.

A row of codes has all tokens of its document. Of a collection that was encoded from kept
activations only the sampled ones were looked at: what fires at the others is not known, so they
are no part of any rate.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
import pyarrow as pa

from saelake.store.errors import InvalidInput
from saelake.store.format.activations import KeptSettings
from saelake.store.format.lists import Array, Lists
from saelake.store.format.sampling import TokenSample
from saelake.store.format.schema import MAX_PART_TOKENS, CollectionSettings
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.tables.tables import Table, metadata

TOKEN_COUNT_COLUMNS = ("doc", "part", "token_ids")
_SAID = re.compile(r"(.*) at (\S+) %")  # what `tokens_from` says of a sample
_CHECK_ROWS = 256  # in which the codes must be of a sample's tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldTokens:
    """The tokens that have codes, or could: a sample; all of a fraction of 1.

    `is_known` is False for a sample of a collection of an earlier saelake of which only the
    fraction can be told: the activations are gone, and their seed with them.
    """

    sample: TokenSample
    is_known: bool = True

    @classmethod
    def of(cls, settings: CollectionSettings) -> Self:
        """What the settings of a collection say, by themselves."""
        if settings.sample is not None:
            return cls(sample=settings.sample)
        said = _SAID.fullmatch(settings.tokens_from or "")
        if said is None:
            return cls(sample=TokenSample())
        return cls(sample=TokenSample(fraction=float(said[2]) / 100), is_known=False)

    @property
    def are_all(self) -> bool:
        """Whether every token is held."""
        return self.sample.fraction == 1

    @property
    def key(self) -> str | None:
        """What tells this sample from every other; None for all tokens."""
        if self.are_all:
            return None
        return f"{self.sample.fraction!r} seed {self.sample.seed if self.is_known else 'unknown'}"

    def __str__(self) -> str:
        """The share, as `30 %`."""
        return str(self.sample)

    def counts(self, rows: pa.RecordBatch | pa.Table) -> Array:
        """How many tokens of each row (`TOKEN_COUNT_COLUMNS`) are held, int64 (n_rows,).

        Where the sample is not known, as many as are expected, right in total.
        """
        tokens = Lists.of(rows["token_ids"])
        if self.are_all:
            return tokens.lengths
        if not self.is_known:
            expected = np.rint(tokens.offsets * self.sample.fraction).astype(np.int64)
            return np.diff(expected)
        ends = np.concatenate([[0], np.cumsum(self.mask(rows))])
        counted: Array = np.diff(ends[tokens.offsets])
        return counted

    def mask(self, rows: pa.RecordBatch | pa.Table) -> Array:
        """Which of the rows' tokens, end to end, are held, bool (n_tokens,).

        Raises `InvalidInput` where the sample is not known.
        """
        tokens = Lists.of(rows["token_ids"])
        if self.are_all:
            return np.ones(len(tokens.values), np.bool_)
        if not self.is_known:
            raise InvalidInput(
                f"This collection has codes of {self} of the tokens, and which is not known: the "
                "activations that it was made of are gone. Encode it again, by a model.",
                fraction=self.sample.fraction,
            )
        row = tokens.rows
        first = np.asarray(rows["part"]).astype(np.int64) * MAX_PART_TOKENS
        position = first[row] + np.arange(len(row)) - tokens.offsets[row]
        return self.sample.has(np.asarray(rows["doc"])[row], position)


def held_tokens(lake: Lake, settings: CollectionSettings, codes: Table) -> HeldTokens:
    """Which tokens a collection holds, found out where an earlier saelake did not write it down.

    Of kept activations of that share, and the default seed, the first whose tokens the codes are.
    """
    held = HeldTokens.of(settings)
    if held.is_known:
        return held
    places = _places(codes)
    if places is not None:
        for sample in _candidates(lake, settings, held.sample):
            if sample.has(*places).all():
                return HeldTokens(sample=sample)
    return held


def _candidates(
    lake: Lake, settings: CollectionSettings, said: TokenSample
) -> Iterator[TokenSample]:
    """The samples of activations that are kept of this share, those that are named first."""
    named = (settings.tokens_from or "").rpartition(" at ")[0]
    stores = [n for n in lake.activation_stores() if n.corpus == settings.corpus]
    for name in sorted(stores, key=lambda n: str(n) != named):
        sample = _kept_sample(lake, name)
        if sample is not None and str(sample) == str(said):
            yield sample
    yield said


def _kept_sample(lake: Lake, name: CollectionName) -> TokenSample | None:
    table = Table.find(lake.activations(name))
    return None if table is None else KeptSettings.from_metadata(metadata(table.schema)).sample


def _places(codes: Table) -> tuple[Array, Array] | None:
    """Documents and positions of some codes; None where there are none yet."""
    for batch in codes.scan(["doc", "part", "positions"], batch_rows=_CHECK_ROWS):
        positions = Lists.of(batch["positions"])
        if len(positions.values):
            first = np.asarray(batch["part"]).astype(np.int64) * MAX_PART_TOKENS
            row = positions.rows
            return np.asarray(batch["doc"])[row], first[row] + positions.values
    return None
