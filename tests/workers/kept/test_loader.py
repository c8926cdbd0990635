"""The data loader: each token once an epoch, in an order that its seed decides."""

from typing import Any

import numpy as np
import pytest

import saelake
from saelake.activations import KeptActivations
from saelake.store.activations.blocks import TokenBlock
from saelake.store.errors import InvalidInput
from saelake.store.format.activations import KeptSettings
from saelake.store.format.sampling import TokenSample
from saelake.store.format.schema import CollectionSettings
from saelake.store.growth.shards import ShardCommitter, ShardWriter
from saelake.store.lake.lake import Lake
from saelake.workers.encoder.keep import KeptTokens, pack_kept
from saelake.workers.encoder.pack import Part
from saelake.workers.kept.loader import ActivationDataset, ActivationLoader, LoaderOptions
from saelake.workers.kept.shuffle import ShuffleBuffer, in_order, shuffled

D_IN = 1024  # a MiB is 512 tokens
N_DOCUMENTS, LENGTH = 60, 80
BATCH = 128
Places = list[tuple[int, int]]


def settings() -> KeptSettings:
    collection = CollectionSettings(
        corpus="made",
        dictionary="sae",
        fingerprint="",
        architecture="topk",
        d_in=D_IN,
        d_sae=1,
        signed=False,
        model="m",
        model_fingerprint="",
        hook="h",
        window=LENGTH,
    )
    return KeptSettings(collection=collection, sample=TokenSample(), dtype="float16")


def page(docs: range) -> tuple[list[Part], KeptTokens]:
    """Documents whose vectors begin with the document and the position."""
    import torch

    zeros = np.zeros(LENGTH, np.int32)
    parts = [
        Part(
            doc=doc,
            token_ids=zeros,
            starts=zeros.astype(np.uint32),
            lengths=zeros.astype(np.uint16),
        )
        for doc in docs
    ]
    row = np.repeat(np.arange(len(docs), dtype=np.int32), LENGTH)
    position = np.tile(np.arange(LENGTH), len(docs))
    vectors = torch.zeros((len(row), D_IN), dtype=torch.float16)
    vectors[:, 0] = torch.from_numpy(row + docs.start)
    vectors[:, 1] = torch.from_numpy(position)
    fits = torch.ones(len(row), dtype=torch.bool)
    return parts, KeptTokens(row=row, position=position, vectors=vectors, fits=fits)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> KeptActivations:
    lake = Lake(str(tmp_path_factory.mktemp("loader") / "lake"))
    writer = ShardWriter(lake, settings(), buffer_bytes=1 << 20)
    for first in range(0, N_DOCUMENTS, 20):
        for start in range(first, first + 20, 5):
            parts, tokens = page(range(start, start + 5))
            writer.add(pack_kept(settings(), parts, [tokens], {}))
        ShardCommitter(lake, settings()).commit([writer.finish(first, first + 20)])
    from saelake.store.activations.table import ActivationsTable
    from saelake.store.lake.lake import CollectionName

    table = ActivationsTable.open(lake, CollectionName("made", "sae"))
    reader = table.reader(TokenSample())
    return KeptActivations(name="made/sae", _reader=reader, _table=table, _documents=None)


def places(loader: ActivationLoader) -> Places:
    """Document and position of each token as they come, which its vector must say too."""
    found: Places = []
    for batch in loader:
        assert batch.vectors.shape == (len(batch.doc), D_IN)
        assert (batch.vectors[:, 0] == batch.doc).all()
        assert (batch.vectors[:, 1] == batch.position).all()
        found += zip(batch.doc.tolist(), batch.position.tolist(), strict=True)
    return found


EVERY = [(doc, position) for doc in range(N_DOCUMENTS) for position in range(LENGTH)]


def test_shuffled_each_token_comes_once_in_an_order_of_the_seed(made: KeptActivations) -> None:
    first, again, other = (
        places(made.dataloader(batch_size=BATCH, seed=seed, buffer_bytes=4 << 20))
        for seed in (0, 0, 1)
    )
    assert sorted(first) == EVERY
    assert first == again != other
    assert sorted(other) == EVERY


def test_epochs_differ_and_can_be_begun_anywhere(made: KeptActivations) -> None:
    loader = made.dataloader(batch_size=BATCH)
    first, second = places(loader), places(loader)
    assert sorted(first) == sorted(second) == EVERY
    assert first != second
    assert places(made.dataloader(batch_size=BATCH, epochs=2)) == first + second
    later = made.dataloader(batch_size=BATCH)
    later.set_epoch(1)
    assert places(later) == second


def test_workers_share_the_tokens(made: KeptActivations) -> None:
    found = places(made.dataloader(batch_size=BATCH, num_workers=2))
    assert sorted(found) == EVERY


def test_in_order_tokens_come_as_they_are_stored(made: KeptActivations) -> None:
    loader = made.dataloader(batch_size=BATCH, shuffle=False)
    assert places(loader) == EVERY
    sizes = [len(batch.doc) for batch in loader]
    assert sizes == [BATCH] * (len(EVERY) // BATCH) + [len(EVERY) % BATCH]
    dropped = made.dataloader(batch_size=BATCH, shuffle=False, drop_last=True)
    assert [len(batch.doc) for batch in dropped] == sizes[:-1]


def test_a_shuffled_batch_comes_from_all_over_the_buffer(made: KeptActivations) -> None:
    batch = next(iter(made.dataloader(batch_size=BATCH)))
    assert len(batch.doc.unique()) > N_DOCUMENTS / 2


def test_a_loader_can_be_left_and_begun_again(made: KeptActivations) -> None:
    loader = made.dataloader(batch_size=BATCH)
    for _ in loader:
        break
    assert sorted(places(loader)) == EVERY


def block(start: int, n: int) -> TokenBlock:
    numbers = np.arange(start, start + n)
    return TokenBlock(
        numbers.astype(np.uint64),
        numbers.astype(np.uint32),
        numbers.astype(np.uint32),
        numbers.astype(np.float16)[:, None],
    )


@pytest.mark.parametrize("lengths", [[], [0], [5], [7, 0, 1, 7, 7, 3], [7] * 30])
@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_nothing_is_lost_in_a_small_buffer(lengths: list[int], batch_size: int) -> None:
    starts = np.cumsum([0, *lengths])[:-1].tolist()
    blocks = [block(start, n) for start, n in zip(starts, lengths, strict=True)]
    capacity = min(2 * (batch_size + 7), sum(lengths))
    buffer = ShuffleBuffer(capacity, np.random.default_rng(0))
    batches = list(shuffled(blocks, buffer, batch_size))
    assert sorted(n for b in batches for n in b.doc.tolist()) == list(range(sum(lengths)))
    assert all(len(b) == batch_size for b in batches[:-1])
    ordered = list(in_order(blocks, batch_size))
    assert [n for b in ordered for n in b.doc.tolist()] == list(range(sum(lengths)))
    assert all(len(b) == batch_size for b in ordered[:-1])


def test_the_buffer_is_bounded_by_its_setting(made: KeptActivations) -> None:
    whole = made.n_tokens
    for mebibytes, most in ((1, 2 * (BATCH + made._reader.blocks.largest)), (1000, whole)):
        loader = made.dataloader(batch_size=BATCH, buffer_bytes=mebibytes << 20)
        assert isinstance(loader.dataset, ActivationDataset)
        assert loader.dataset._capacity(1) == most
    assert made._reader.blocks.largest < whole / 4, "the test needs a buffer smaller than all"


@pytest.mark.parametrize(
    "wrong", [{"batch_size": 0}, {"epochs": 0}, {"buffer_bytes": 1}, {"seed": -1}]
)
def test_wrong_options_are_refused(made: KeptActivations, wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        made.dataloader(**wrong)


def test_options_are_checked_together() -> None:
    with pytest.raises(InvalidInput, match=r"batch .*epoch"):
        LoaderOptions(
            batch_size=0, shuffle=True, seed=0, epochs=0, buffer_bytes=1 << 30, drop_last=False
        )


def test_a_server_does_not_send_activations() -> None:
    with (
        saelake.connect("grpc://localhost:1") as lake,
        pytest.raises(InvalidInput, match="where the lake is"),
    ):
        lake["made/sae"].activations()
