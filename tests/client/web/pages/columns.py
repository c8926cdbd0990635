"""A lake with columns of several kinds, and its page."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

import saelake
from saelake.collection import Collection
from saelake.store.growth.index import index
from saelake.store.service.serve import Address, BackgroundServer, ServerSettings
from saelake.web.lakes import Lakes
from saelake.web.serving import WebServer
from saelake.web.settings import WebSettings
from tests.lakes import make_lake

N = 90  # documents
NASTY = '<b>it\'s</b> & "so" \u202e'


@contextmanager
def looked_at(folder: Path, third: str) -> Iterator[tuple[str, Collection]]:
    """The address of the page, and the collection; `third` is one of three values of `kind`."""
    random = np.random.default_rng(3)
    columns = {
        "kind": pa.array([None if i % 9 == 0 else ["a", NASTY, third][i % 3] for i in range(N)]),
        "year": pa.array(random.integers(1900, 2000, N)),
        "tags": pa.array([["x"]] * N),
        "meta": pa.array([{"at all": bool(i % 2), "more": [i]} for i in range(N)]),
        "name": pa.array([f"n{i % 40}" for i in range(N)]),
    }
    lake = make_lake(folder, n_documents=N, columns=columns)
    index(lake.lake, lake.name)
    settings = ServerSettings(uri=lake.lake.uri, address=Address(port=0))
    with (
        BackgroundServer(settings) as server,
        WebServer(Lakes(server.target), WebSettings(address=Address(port=0))) as web,
        saelake.connect(server.target) as connected,
    ):
        yield web.url, connected["made/random"]
