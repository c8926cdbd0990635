"""A table with columns of each kind, and what a filter keeps of it."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal

import pyarrow as pa
import pytest

from saelake.store.documents.filters import FilterCache
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table

Keeps = Callable[[str], list[int]]

DAYS = [dt.date(1969, 12, 31), dt.date(2024, 1, 1), dt.date(2024, 1, 2), None]
MOMENTS = [
    dt.datetime(1969, 12, 31, 23, 59, 59, 500_000),
    dt.datetime(2024, 1, 1, 10),
    dt.datetime(2024, 7, 1, 10, 0, 0, 250_000),
    None,
]
SECONDS = [moment and moment.replace(microsecond=0) for moment in MOMENTS]
TIMES = [dt.time(0), dt.time(10), dt.time(23, 59, 59, 999_999), None]
PRICES = [Decimal("-3.50"), Decimal("3.50"), Decimal("4.25"), None]

COLUMNS: dict[str, pa.Array] = {
    "doc": pa.array(range(4), pa.uint64()),
    "label": pa.array(["spam", "ok", "it's", None]),
    "Two Words": pa.array(["spam", "ok", "ok", None]),
    'q"x': pa.array([1, 2, 3, None]),
    "Upper": pa.array([1, 2, 3, None]),
    "twin": pa.array([1, 2, 3, None]),
    "Twin": pa.array([3, 2, 1, None]),
    "in": pa.array([1, 2, 3, None]),
    "date": pa.array([1, 2, 3, None]),
    "i8": pa.array([-128, 2, 127, None], pa.int8()),
    "i64": pa.array([-(2**63), 2, 2**63 - 1, None], pa.int64()),
    "u64": pa.array([0, 2, 2**64 - 1, None], pa.uint64()),
    "f16": pa.array([-0.5, 0.1, 2.0, None], pa.float16()),
    "f32": pa.array([-0.5, 0.1, 2.0, None], pa.float32()),
    "f64": pa.array([-0.5, 0.1, 2.0, None], pa.float64()),
    "price": pa.array(PRICES, pa.decimal128(10, 2)),
    "wide": pa.array(PRICES, pa.decimal256(50, 2)),
    "day": pa.array(DAYS, pa.date32()),
    "day64": pa.array(DAYS, pa.date64()),
    "sec": pa.array(SECONDS, pa.timestamp("s")),
    "ms": pa.array(MOMENTS, pa.timestamp("ms")),
    "us": pa.array(MOMENTS, pa.timestamp("us")),
    "ns": pa.array(MOMENTS, pa.timestamp("ns")),
    "utc": pa.array(MOMENTS, pa.timestamp("us", "UTC")),
    "berlin": pa.array(MOMENTS, pa.timestamp("us", "Europe/Berlin")),
    "fixed": pa.array(MOMENTS, pa.timestamp("ms", "+02:00")),
    "clock": pa.array(TIMES, pa.time64("us")),
    "clock32": pa.array([t and t.replace(microsecond=0) for t in TIMES], pa.time32("s")),
    "took": pa.array([dt.timedelta(minutes=m) for m in range(3)] + [None], pa.duration("s")),
    "flag": pa.array([True, False, True, None]),
    "raw": pa.array([b"a", b"b'", b"\x00", None]),
    "long text": pa.array(["spam", "ok", "it's", None], pa.large_string()),
    "tags": pa.array([["x", "new"], [], ["new"], None]),
    "days": pa.array([DAYS[:2], [], DAYS[2:3], None], pa.list_(pa.date32())),
    "meta": pa.array(
        [
            {"year": 2001, "Deep Name": {"p.q": Decimal("1.5"), "b`t": 1}},
            {"year": 2002, "Deep Name": {"p.q": Decimal("2.5"), "b`t": 2}},
            {"year": None, "Deep Name": None},
            None,
        ],
        pa.struct(
            {
                "year": pa.int32(),
                "Deep Name": pa.struct({"p.q": pa.decimal128(5, 1), "b`t": pa.float32()}),
            }
        ),
    ),
}


@pytest.fixture(scope="session")
def table(tmp_path_factory: pytest.TempPathFactory) -> Table:
    rows = pa.record_batch(COLUMNS)
    empty = Table.open_or_create(str(tmp_path_factory.mktemp("t") / "t.lance"), rows.schema)
    return empty.commit(lambda snapshot: Change(add=snapshot.write([rows])))


@pytest.fixture(scope="session")
def keeps(table: Table) -> Keeps:
    """The documents that a filter keeps. Raises `InvalidFilter`."""
    filters = FilterCache(table)

    def kept(where: str) -> list[int]:
        mask = filters.mask(where)
        assert mask is not None
        found: list[int] = mask.nonzero()[0].tolist()
        return found

    return kept
