"""What a question costs in an object store: requests, bytes, and requests one after another."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean, median
from typing import Annotated

import numpy as np
import pyarrow.compute as pc
import typer

from benchmarks.common.needs import require
from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile
from benchmarks.common.report import Cell, Table, publish
from benchmarks.common.synthetic import NAME, SHELVES, Synthesis, synthesise
from saelake.store.engine import Engine
from saelake.store.lake.lake import Lake
from saelake.store.requests.document import DocumentQuery
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.request import Request
from saelake.store.requests.similar import SimilarQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.tables.tables import read
from tests.proxy import Proxy, proxied
from tests.s3 import VARIABLES, client, s3_server

BUCKET = "benchmark"
SHARE = 0.01  # of the documents that the filter keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one question cost."""

    requests: int
    n_bytes: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Store:
    """A lake behind the proxy."""

    uri: str
    proxy: Proxy

    def asked(self, engine: Engine, request: Request) -> Asked:
        """Ask, read the whole answer, and count."""
        self.proxy.reset()
        begun = time.perf_counter()
        engine.ask(request).read_all()
        seconds = time.perf_counter() - begun
        return Asked(
            requests=self.proxy.requests.total(), n_bytes=self.proxy.bytes_out, seconds=seconds
        )


def main(
    documents: Annotated[int, typer.Option(help="Documents of the synthetic lake.")] = 2000,
    questions: Annotated[int, typer.Option(help="Questions of each kind.")] = 20,
    latency_ms: Annotated[float, typer.Option(help="What a request takes.")] = 30.0,
    profile: Annotated[Path, typer.Option(help="The statistics of the codes.")] = (
        PROFILES / "imdb-minilm.npz"
    ),
) -> None:
    """Requests and bytes that questions cost in an object store."""
    require("boto3", "moto", "flask", "flask_cors")
    like = Profile.load(profile)
    synthesis = Synthesis(like, documents)
    with s3_server() as upstream, proxied(upstream) as (endpoint, proxy):
        os.environ.update(VARIABLES, AWS_ENDPOINT_URL=endpoint)
        client(upstream).create_bucket(Bucket=BUCKET)
        store = Store(f"s3://{BUCKET}/lake", proxy)
        synthesise(Lake(store.uri), synthesis)
        proxy.delay_s = latency_ms / 1e3
        rows = [row(*found) for found in measured(store, firing(store, questions), documents)]
        n_codes = Engine(store.uri).ask(InfoQuery()).read_all()["n_codes"][0].as_py()
    title = f"{n_codes:,} codes, {latency_ms:g} ms a request"
    facts: dict[str, Cell] = {"documents": documents, "codes": n_codes, "questions": questions}
    publish("s3", [Table(title=title, rows=rows)], facts=facts)


def firing(store: Store, n: int) -> list[int]:
    """Features that fire, from rare to frequent."""
    table = read(Lake(store.uri).features(NAME), ["feature", "document_frequency"])
    fires = table.sort_by("document_frequency")
    fires = fires.filter(pc.field("document_frequency") > 0)
    at = np.linspace(0, fires.num_rows - 1, n).astype(np.int64)
    features: list[int] = fires["feature"].take(at).to_pylist()
    return features


def measured(
    store: Store, features: list[int], documents: int
) -> Iterator[tuple[str, list[Asked]]]:
    """What each kind of question costs, asked of these features or of as many documents."""
    collection, n_shelves = str(NAME), int(SHARE * SHELVES)
    docs = np.random.default_rng(0).choice(documents, len(features), replace=False).tolist()

    def tokens(i: int) -> TokensQuery:
        return TokensQuery(collection=collection, expression=str(features[i]))

    kinds: dict[str, Callable[[int], Request]] = {
        "tokens": tokens,
        "tokens, 1 %": lambda i: replace(
            tokens(i), where=f"shelf BETWEEN {i * n_shelves} AND {(i + 1) * n_shelves - 1}"
        ),
        "document": lambda i: DocumentQuery(collection=collection, doc=docs[i]),
        "similar": lambda i: SimilarQuery(collection=collection, docs=(docs[i],)),
    }
    yield "open", [store.asked(Engine(store.uri), tokens(i)) for i in range(len(features))]
    for name, question in kinds.items():
        engine = Engine(store.uri)
        engine.ask(tokens(0)).read_all()
        first, *others = [store.asked(engine, question(i)) for i in range(len(features))]
        if name == "similar":
            yield "similar, first", [first]
        yield name, others


def row(name: str, asked: list[Asked]) -> dict[str, Cell]:
    """A row of the table."""
    return {
        "question": name,
        "requests": fmean(one.requests for one in asked),
        "most": max(one.requests for one in asked),
        "KB": fmean(one.n_bytes for one in asked) / 1e3,
        "ms": 1e3 * median(one.seconds for one in asked),
    }
