"""The plan of an encode: a pure function of what is there and what is done."""

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from saelake.workers.encoder.shard import Range, Shard, plan

NAMES = ("a", "b", "c")


def covered(shards: Sequence[Shard], name: str) -> list[int]:
    """The documents that are planned for a collection, in the order of the shards."""
    return [
        document
        for shard in shards
        if name in shard.collections
        for document in range(shard.start, shard.stop)
    ]


RANGES = st.lists(st.integers(0, 40), max_size=8, unique=True).map(
    lambda edges: list(zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False))
)


@given(
    n_documents=st.integers(0, 30),
    done=st.dictionaries(st.sampled_from(NAMES), RANGES),
    size=st.integers(1, 12),
)
def test_a_plan_covers_exactly_what_each_collection_lacks(
    n_documents: int, done: Mapping[str, Sequence[Range]], size: int
) -> None:
    shards = plan(n_documents, done, size)
    for name, ranges in done.items():
        there = {document for start, stop in ranges for document in range(start, stop)}
        assert covered(shards, name) == [d for d in range(n_documents) if d not in there]
    starts = [shard.start for shard in shards]
    assert starts == sorted(set(starts))
    assert all(0 < shard.n_documents <= size and shard.collections for shard in shards)
    assert plan(n_documents, done, size) == shards


def test_a_new_corpus_is_cut_into_full_shards() -> None:
    assert plan(7, {"a": [], "b": []}, 3) == [
        Shard(start=0, stop=3, collections=("a", "b")),
        Shard(start=3, stop=6, collections=("a", "b")),
        Shard(start=6, stop=7, collections=("a", "b")),
    ]


def test_collections_at_different_progress_share_what_both_lack() -> None:
    assert plan(10, {"a": [(0, 6)], "b": [(0, 2), (8, 10)]}, 100) == [
        Shard(start=2, stop=6, collections=("b",)),
        Shard(start=6, stop=8, collections=("a", "b")),
        Shard(start=8, stop=10, collections=("a",)),
    ]


def test_nothing_is_left_of_a_corpus_that_grew_meanwhile() -> None:
    assert plan(5, {"a": [(0, 9)]}, 2) == []
