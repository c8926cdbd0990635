"""Lakes of any size whose codes have the statistics of real ones, written through the real store.

Everything follows from a seed and is made a block of documents at a time, so memory does not grow
with the lake. Blocks are made twice: their texts at the import, their codes after it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks.common.places import PROFILES
from benchmarks.common.profile import N_QUANTILES, Profile
from saelake.store.documents.documents import import_documents
from saelake.store.documents.imports import SourceBatch
from saelake.store.format.lists import Array
from saelake.store.format.schema import CollectionSettings, codes_schema
from saelake.store.growth.index import index
from saelake.store.growth.shards import ShardCommitter, ShardWriter
from saelake.store.lake.dictionaries import RegisteredDictionary, register_dictionary
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.reports import IndexReport
from saelake.workers.encoder.pack import PageCodes, Part, pack

NAME = CollectionName("synthetic", "profile")
BLOCK = 128  # documents in memory at a time
SHARD_BLOCKS = 8  # blocks that are committed together: 1024 documents
BUFFER_BYTES = 64 << 20
SHELVES = 1000  # values of the metadata column that filters of any selectivity are made of
RATINGS = 10
LABELS = ("neg", "pos")
METADATA = pa.schema([("label", pa.string()), ("rating", pa.int32()), ("shelf", pa.int32())])


@dataclass(frozen=True, slots=True, kw_only=True)
class Documents:
    """A block of documents: `tokens` are indices into the vocabulary, end to end."""

    first: int
    lengths: npt.NDArray[np.int64]
    tokens: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def offsets(self) -> npt.NDArray[np.int64]:
        """Where each document's tokens begin, and the end (n + 1,)."""
        return np.append(0, np.cumsum(self.lengths))


@dataclass(frozen=True)
class Synthesis:
    """A collection to be made: `n_documents` of `profile`, all from `seed`.

    `mean_length` stretches or shrinks the documents' lengths to that many tokens on average.
    """

    profile: Profile
    n_documents: int
    seed: int = 0
    mean_length: float | None = None
    name: str = "synthetic"
    generated_ids: bool = field(default=False, init=False)

    @property
    def schema(self) -> pa.Schema:
        """The metadata columns (a `store.documents.imports.Source`)."""
        return METADATA

    def batches(self) -> Iterator[SourceBatch]:
        """The documents, as an import takes them."""
        for block in self.blocks():
            yield SourceBatch(file=self.name, first_row=block.first, rows=self._rows(block))

    def blocks(self) -> Iterator[Documents]:
        """All documents, a block at a time."""
        for first in range(0, self.n_documents, BLOCK):
            yield self._block(first, min(BLOCK, self.n_documents - first))

    def activations(self, block: Documents) -> PageCodes:
        """The codes of a block."""
        random = self._random(block.first, "codes")
        counts = self._counts(block, random)
        row, feature = np.nonzero(counts)
        times = counts[row, feature]
        row, feature = np.repeat(row, times), np.repeat(feature, times)
        return PageCodes(
            row.astype(np.int32),
            _dealt(row, block, random).astype(np.int32),
            feature.astype(np.int32),
            self._values(feature, random),
        )

    def parts(self, block: Documents) -> list[Part]:
        """The tokens of a block, with the characters of each."""
        width = self._widths[block.tokens]
        steps = np.append(0, np.cumsum(width + 1))
        offsets = block.offsets
        return [
            Part(
                doc=block.first + i,
                token_ids=block.tokens[a:b],
                starts=(steps[a:b] - steps[a]).astype(np.uint32),
                lengths=width[a:b].astype(np.uint16),
            )
            for i, (a, b) in enumerate(pairwise(offsets))
        ]

    def _random(self, first: int, what: str) -> np.random.Generator:
        return np.random.default_rng([self.seed, first, len(what), ord(what[0])])

    def _block(self, first: int, n: int) -> Documents:
        random = self._random(first, "texts")
        lengths = np.maximum(random.choice(self._lengths, n), 1)
        tokens = np.searchsorted(self._word_shares, random.random(int(lengths.sum())))
        return Documents(first=first, lengths=lengths, tokens=tokens.astype(np.int32))

    def _rows(self, block: Documents) -> pa.RecordBatch:
        random = self._random(block.first, "metadata")
        words, offsets, n = self.profile.words, block.offsets, len(block)
        texts = [
            " ".join([words[token] for token in block.tokens[a:b].tolist()])
            for a, b in pairwise(offsets)
        ]
        rows = {
            "id": [f"d{block.first + i}" for i in range(n)],
            "text": texts,
            "label": random.choice(LABELS, n).tolist(),
            "rating": pa.array(random.integers(1, RATINGS, n, endpoint=True), pa.int32()),
            "shelf": pa.array(random.integers(0, SHELVES, n), pa.int32()),
        }
        return pa.RecordBatch.from_pydict(rows)

    def _counts(self, block: Documents, random: np.random.Generator) -> npt.NDArray[np.int64]:
        """How often each feature fires in each document (n_documents, d_sae).

        A document has its length times the mean number of codes, shared out among the features
        by their rates and, as features come in bursts, a gamma factor of its own for each.
        """
        profile = self.profile
        factor = random.standard_gamma(profile.burst, (len(block), profile.d_sae))
        weight = (profile.rate / profile.burst) * factor
        share = weight / weight.sum(axis=1, keepdims=True)
        n_codes = np.rint(block.lengths * profile.codes_per_token).astype(np.int64)
        return np.minimum(random.multinomial(n_codes, share), block.lengths[:, None])

    def _values(self, feature: Array, random: np.random.Generator) -> npt.NDArray[np.float32]:
        """A value for each occurrence, from the quantiles of its feature."""
        share = random.random(len(feature), np.float32)
        depth = np.arccos(1 - 2 * share) * np.float32(N_QUANTILES / np.pi)  # see profile.depths
        low = np.minimum(depth.astype(np.int64), N_QUANTILES - 1)
        at = feature * (N_QUANTILES + 1) + low
        below, above = self._quantiles[at], self._quantiles[at + 1]
        values: npt.NDArray[np.float32] = below + (above - below) * (depth - low).astype(np.float32)
        return values

    @cached_property
    def _lengths(self) -> npt.NDArray[np.int64]:
        lengths = self.profile.lengths.astype(np.float64)
        scale = 1.0 if self.mean_length is None else self.mean_length / lengths.mean()
        return np.rint(lengths * scale).astype(np.int64)

    @cached_property
    def _word_shares(self) -> npt.NDArray[np.float64]:
        counts = self.profile.word_counts.astype(np.float64)
        shares: npt.NDArray[np.float64] = np.cumsum(counts) / counts.sum()
        return shares

    @cached_property
    def _widths(self) -> npt.NDArray[np.int64]:
        return np.array([len(word) for word in self.profile.words], np.int64)

    @cached_property
    def _quantiles(self) -> npt.NDArray[np.float32]:
        return self.profile.values.astype(np.float32).reshape(-1)


def _dealt(row: Array, block: Documents, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """A token for each occurrence, given by document and then by feature.

    Each document's occurrences are dealt like cards to its tokens in a random order, round after
    round: so every token gets the same number of codes, and none the same feature twice.
    """
    order = np.concatenate([random.permutation(int(n)) for n in block.lengths])
    starts = np.searchsorted(row, np.arange(len(block)))
    card = np.arange(len(row)) - starts[row]
    return order[block.offsets[row] + card % block.lengths[row]]


def synthesise(lake: Lake, synthesis: Synthesis) -> IndexReport:
    """Make the collection `NAME` in a new lake: import, codes, index."""
    import_documents(lake, NAME.corpus, synthesis)
    for _ in shards(lake, synthesis):
        pass
    return index(lake, NAME)


def shards(lake: Lake, synthesis: Synthesis, shard_blocks: int = SHARD_BLOCKS) -> Iterator[int]:
    """Write the codes of the collection `NAME`; after each shard how many documents have them."""
    settings = _settings(synthesis.profile)
    dictionary = RegisteredDictionary(
        name=NAME.dictionary, fingerprint="synthetic", d_sae=settings.d_sae
    )
    register_dictionary(lake, dictionary, synthesis.profile.words)
    schema = codes_schema(settings)
    writer = ShardWriter(lake, settings, buffer_bytes=BUFFER_BYTES)
    committer = ShardCommitter(lake, settings)
    begin = 0
    for number, block in enumerate(synthesis.blocks(), start=1):
        parts, codes = synthesis.parts(block), synthesis.activations(block)
        writer.add(pack(parts, codes, schema=schema, codec=settings.codec))
        end = block.first + len(block)
        if number % shard_blocks == 0 or end == synthesis.n_documents:
            committer.commit([writer.finish(begin, end)])
            begin = end
            yield end


def _settings(profile: Profile) -> CollectionSettings:
    return CollectionSettings(
        corpus=NAME.corpus,
        dictionary=NAME.dictionary,
        fingerprint="synthetic",
        architecture="topk",
        d_in=1,
        d_sae=profile.d_sae,
        signed=False,
        model="synthetic",
        model_fingerprint="synthetic",
        hook="none",
        window=int(profile.lengths.max()),
    )


@contextmanager
def lake_at(lake: Path | None, documents: int, mean_length: float) -> Iterator[Path]:
    """This lake, or one of so many documents that is gone after the block."""
    if lake is not None:
        yield lake
        return
    with TemporaryDirectory(prefix="saelake-") as folder:
        profile = Profile.load(PROFILES / "imdb-minilm.npz")
        synthesise(Lake(folder), Synthesis(profile, documents, mean_length=mean_length))
        yield Path(folder)
