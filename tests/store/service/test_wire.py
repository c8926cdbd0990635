"""Questions and answers survive the wire."""

from typing import get_args

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saelake.proto.v1 import lake_pb2 as pb
from saelake.store.errors import InvalidInput
from saelake.store.requests import (
    DocumentQuery,
    ExportQuery,
    FeatureOrder,
    FeaturesQuery,
    Order,
    Per,
    TokensQuery,
)
from saelake.store.service import wire

TEXT = st.text(max_size=8).filter(lambda t: t.isprintable())
MAYBE_TEXT = st.none() | TEXT
NUMBERS = st.none() | st.lists(st.integers(0, 2**31)).map(tuple)
LIMIT = st.none() | st.integers(1, 2**31)


@given(
    st.builds(
        TokensQuery,
        collection=TEXT,
        expression=TEXT,
        k=LIMIT,
        per=st.sampled_from(get_args(Per)),
        where=MAYBE_TEXT,
        order=st.just("top"),
        scope=TEXT,
        context=st.integers(0, 10_000),
    )
)
def test_tokens_queries_come_through(query: TokensQuery) -> None:
    sent = pb.TokensRequest.FromString(wire.tokens_message(query).SerializeToString())
    assert wire.tokens_query(sent) == query


@given(
    st.builds(
        FeaturesQuery,
        collection=TEXT,
        features=NUMBERS,
        k=LIMIT,
        order=st.sampled_from(get_args(FeatureOrder)),
    )
)
def test_features_queries_come_through(query: FeaturesQuery) -> None:
    sent = pb.FeaturesRequest.FromString(wire.features_message(query).SerializeToString())
    assert wire.features_query(sent) == query


@given(st.builds(DocumentQuery, collection=TEXT, id=TEXT, features=NUMBERS))
def test_document_queries_come_through(query: DocumentQuery) -> None:
    sent = pb.DocumentRequest.FromString(wire.document_message(query).SerializeToString())
    assert wire.document_query(sent) == query


@given(st.builds(ExportQuery, collection=TEXT, where=MAYBE_TEXT))
def test_export_queries_come_through(query: ExportQuery) -> None:
    sent = pb.ExportRequest.FromString(wire.export_message(query).SerializeToString())
    assert wire.export_query(sent) == query


def test_what_a_message_leaves_out_has_the_defaults_of_python() -> None:
    tokens = wire.tokens_query(pb.TokensRequest(collection="c/d", expression="1"))
    assert tokens == TokensQuery(collection="c/d", expression="1")
    assert wire.features_query(pb.FeaturesRequest(collection="c/d")) == FeaturesQuery(
        collection="c/d"
    )
    spread = pb.TokensRequest(collection="c/d", expression="1", order=pb.ORDER_QUANTILES, k=3)
    assert wire.tokens_query(spread).order == get_args(Order)[1]


def test_a_choice_that_does_not_exist_is_refused() -> None:
    message = pb.TokensRequest(collection="c/d", expression="1")
    message.per = 9  # type: ignore[assignment]
    with pytest.raises(InvalidInput, match="per has no choice 9"):
        wire.tokens_query(message)


def reader(*batches: pa.RecordBatch) -> pa.RecordBatchReader:
    return pa.RecordBatchReader.from_batches(batches[0].schema, batches)


def numbers(n: int) -> pa.RecordBatch:
    return pa.record_batch({"n": np.random.default_rng(n).integers(0, 2**60, n)})


def test_a_small_answer_is_one_frame() -> None:
    frames = list(wire.frames(reader(numbers(100), numbers(50))))
    assert len(frames) == 1
    assert wire.answer(frames).read_all().num_rows == 150


def test_frames_of_a_large_answer_are_bounded() -> None:
    batches = [numbers(n) for n in (200_000, 1, 0, 77, 300_000)]
    frames = list(wire.frames(reader(*batches)))
    assert all(wire.FRAME_BYTES <= len(f) <= wire.MAX_FRAME_BYTES for f in frames[:-1])
    assert wire.answer(frames).read_all().equals(pa.Table.from_batches(batches))


def test_a_row_larger_than_a_frame_is_cut() -> None:
    batch = pa.record_batch({"text": ["x" * (3 << 20), "y"]})
    frames = list(wire.frames(reader(batch)))
    assert max(map(len, frames)) <= wire.MAX_FRAME_BYTES
    assert wire.answer(frames).read_all().to_pylist() == batch.to_pylist()


def test_an_empty_answer_has_its_columns() -> None:
    schema = pa.schema([("n", pa.int64())])
    frames = list(wire.frames(pa.RecordBatchReader.from_batches(schema, [])))
    assert len(frames) == 1
    assert wire.answer(frames).read_all().schema == schema


def test_an_answer_is_read_as_it_is_asked_for() -> None:
    made: list[int] = []

    def batches() -> object:
        for i in range(100):
            made.append(i)
            yield numbers(100_000)

    schema = numbers(0).schema
    frames = wire.frames(pa.RecordBatchReader.from_batches(schema, batches()))
    next(frames)
    assert len(made) == 1, "nothing may be read ahead of a slow client"
