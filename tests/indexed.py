"""Lakes whose index is compared with their codes, and whose rows of codes are changed."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from saelake.store.engine import Engine
from saelake.store.format.schema import codes_schema
from saelake.store.requests.verify import VerifyQuery
from saelake.store.snapshot.collection import Collection
from saelake.store.tables.changes import Change
from saelake.store.tables.tables import Table
from saelake.workers.encoder.pack import PageCodes, Part, pack
from tests.lakes import Code, MadeLake, settings


def best(codes: list[Code]) -> dict[tuple[int, int], tuple[float, int]]:
    """(feature, document) -> (maximum, first position of it)."""
    found: dict[tuple[int, int], tuple[float, int]] = {}
    for code in sorted(codes, key=lambda c: (-c.value, c.position)):
        found.setdefault((code.feature, code.doc), (code.value, code.position))
    return found


def assert_indexed_right(made: MadeLake) -> None:
    collection = Collection(made.lake, made.name)
    expected = best(list(made.codes))
    for feature in range(made.n_features):
        postings = collection.posting_list(feature)
        values = collection.codes.codec.decode(postings.max)
        listed = {
            (feature, int(d)): (float(v), int(p))
            for d, v, p in zip(postings.doc, values, postings.position, strict=True)
        }
        assert len(listed) == len(postings)
        assert listed == {key: v for key, v in expected.items() if key[0] == feature}


def codes_rows(made: MadeLake) -> tuple[Table, pa.Table]:
    table = Table.open(made.lake.codes(made.name))
    names = table.schema.names
    return table, pa.Table.from_batches(table.scan(names), table.schema)


def replace_codes(made: MadeLake, change: Callable[[pa.Table], pa.Table]) -> None:
    table, rows = codes_rows(made)
    draft = table.write(change(rows).to_batches())
    old = tuple(fragment.id for fragment in table.fragments)
    table.commit(lambda _: Change(add=draft, remove=old))


def packed(made: MadeLake, doc: int) -> pa.RecordBatch:
    nothing = np.empty(0, np.int32)
    part = Part(
        doc=doc, token_ids=nothing, starts=nothing.astype("u4"), lengths=nothing.astype("u2")
    )
    chosen = settings(n_features=made.n_features)
    none = PageCodes(nothing, nothing, nothing, nothing.astype("f4"))
    return pack([part], none, schema=codes_schema(chosen), codec=chosen.codec)


def all_is_well(made: MadeLake) -> str:
    """What `verify` says of a lake in which everything agrees."""
    checks = Engine(made.lake.uri).ask(VerifyQuery()).read_all().to_pylist()
    assert all(check["ok"] for check in checks)
    return "; ".join(check["detail"] for check in checks)
