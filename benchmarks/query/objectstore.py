"""What questions and commits cost in an object store: requests, bytes and time."""

import os
import re
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean, median
from typing import Annotated
from urllib.parse import unquote

import numpy as np
import pyarrow.compute as pc
import typer

from benchmarks.common.needs import require
from benchmarks.common.places import PROFILES
from benchmarks.common.profile import Profile
from benchmarks.common.report import Cell, Table, publish
from benchmarks.common.synthetic import BLOCK, NAME, SHELVES, Synthesis, shards, synthesise
from saelake.store.documents.imports import import_documents
from saelake.store.engine import Engine
from saelake.store.growth.index import index
from saelake.store.lake.lake import Lake
from saelake.store.requests.checks import Selection
from saelake.store.requests.diff import DiffQuery
from saelake.store.requests.document import DocumentQuery
from saelake.store.requests.features import FeaturesQuery
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.request import Request
from saelake.store.requests.similar import SimilarQuery
from saelake.store.requests.tokens import TokensQuery
from saelake.store.tables import opening
from saelake.store.tables.diskcache import DiskCache
from saelake.store.tables.tables import read
from tests.proxy import Proxy, proxied
from tests.s3 import VARIABLES, client, s3_server

BUCKET = "benchmark"
SHARE = 0.01  # of the documents that the filter keeps
COMMITS = 40
SHARD_LENGTH = 10.0  # tokens of a document: what is counted are commits, not bytes
PAUSE_S = 1.1  # after which a snapshot must be looked at again


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What one question cost; `objects` counts its requests by verb, table and kind of object."""

    requests: int
    n_bytes: int
    seconds: float
    objects: Counter[str]


@dataclass(slots=True)
class Store:
    """A lake behind the proxy, of which it counts what is asked."""

    uri: str
    proxy: Proxy
    objects: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.proxy.choose = self._count

    def _count(self, method: str, path: str) -> None:
        self.objects[called(method, path)] += 1

    def cost(self, work: Callable[[], object]) -> Asked:
        """Do it, and count."""
        self.proxy.reset()
        self.objects.clear()
        begun = time.perf_counter()
        work()
        seconds = time.perf_counter() - begun
        return Asked(
            requests=self.proxy.requests.total(),
            n_bytes=self.proxy.bytes_out,
            seconds=seconds,
            objects=self.objects.copy(),
        )

    def asked(self, engine: Engine, request: Request) -> Asked:
        """Ask, read the whole answer, and count."""
        return self.cost(lambda: engine.ask(request).read_all())


def called(method: str, path: str) -> str:
    """A request, by verb, table and kind of object."""
    listed = re.search(r"prefix=.*?([^/]*)\.lance/(\w+)", unquote(path))
    named = re.search(r"([^/]*)\.lance/(\w+)", unquote(path))
    found = listed or named
    verb = "LIST" if "list-type" in path else method
    if found is None:
        return f"{verb} other"
    table = found[1].removeprefix(f"{NAME.corpus}--{NAME.dictionary}.")
    return f"{verb} {table} {found[2].strip('_')}"


def main(
    documents: Annotated[int, typer.Option(help="Documents of the synthetic lake.")] = 2000,
    questions: Annotated[int, typer.Option(help="Questions of each kind.")] = 20,
    latency_ms: Annotated[float, typer.Option(help="What a request takes.")] = 20.0,
    profile: Annotated[Path, typer.Option(help="The statistics of the codes.")] = (
        PROFILES / "imdb-minilm.npz"
    ),
) -> None:
    """Requests and bytes that questions and commits cost in an object store."""
    require("boto3", "moto", "flask", "flask_cors")
    like = Profile.load(profile)
    with s3_server() as upstream, proxied(upstream) as (endpoint, proxy):
        os.environ.update(VARIABLES, AWS_ENDPOINT_URL=endpoint)
        client(upstream).create_bucket(Bucket=BUCKET)
        store = Store(f"s3://{BUCKET}/lake", proxy)
        synthesise(Lake(store.uri), Synthesis(like, documents))
        proxy.delay_s = latency_ms / 1e3
        features = firing(store, questions)
        n_codes = Engine(store.uri).ask(InfoQuery()).read_all()["n_codes"][0].as_py()
        found = [*asking(store, features, documents), commits(store, like)]
    facts: dict[str, Cell] = {
        "documents": documents,
        "codes": n_codes,
        "questions": questions,
        "latency": f"{latency_ms:g} ms a request",
    }
    publish("objectstore", found, facts=facts)


def asking(store: Store, features: list[int], documents: int) -> Iterator[Table]:
    """Questions without a disk cache, as it fills, and of a new process that finds it filled."""
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Callable[[], Engine]] = {
            "no disk cache": lambda: Engine(store.uri),
            "a disk cache, filled": lambda: Engine(store.uri, disk_cache=DiskCache(folder)),
        }
        filling = Engine(store.uri, disk_cache=DiskCache(folder))
        cost = store.cost(lambda: filling.prefetch(str(NAME)))
        filling.close()
        for title, opened in ways.items():
            found = list(measured(store, opened, features, documents))
            yield Table(title=title, rows=[row(*each) for each in found])
            yield Table(title=f"{title}: requests by object", rows=list(by_object(found)))
        yield Table(title="filling the disk cache", rows=[row("prefetch", [cost])])


def firing(store: Store, n: int) -> list[int]:
    """Features that fire, from rare to frequent."""
    table = read(Lake(store.uri).features(NAME), ["feature", "document_frequency"])
    fires = table.sort_by("document_frequency")
    fires = fires.filter(pc.field("document_frequency") > 0)
    at = np.linspace(0, fires.num_rows - 1, n).astype(np.int64)
    features: list[int] = fires["feature"].take(at).to_pylist()
    return features


def measured(
    store: Store, opened: Callable[[], Engine], features: list[int], documents: int
) -> Iterator[tuple[str, list[Asked]]]:
    """What each kind of question costs, asked of these features or of as many documents."""
    collection, n_shelves = str(NAME), int(SHARE * SHELVES)
    docs = np.random.default_rng(0).choice(documents, len(features), replace=False).tolist()

    def tokens(i: int) -> TokensQuery:
        return TokensQuery(collection=collection, expression=str(features[i]))

    sides = [
        Selection(collection=collection, where=f"label = '{label}'") for label in ("pos", "neg")
    ]
    kinds: dict[str, Callable[[int], Request]] = {
        "tokens": tokens,
        "tokens, 1 %": lambda i: replace(
            tokens(i), where=f"shelf BETWEEN {i * n_shelves} AND {(i + 1) * n_shelves - 1}"
        ),
        "tokens, two features": lambda i: replace(
            tokens(i), expression=f"{features[i]} & {features[-1 - i]}"
        ),
        "document": lambda i: DocumentQuery(collection=collection, doc=docs[i]),
        "features": lambda i: FeaturesQuery(collection=collection, features=(features[i],)),
        "similar": lambda i: SimilarQuery(collection=collection, docs=(docs[i],)),
        "diff": lambda i: DiffQuery(a=sides[i % 2], others=(sides[1 - i % 2],)),
    }
    begun = []
    for i in range(len(features)):
        opening._session.cache_clear()  # as in a new process
        engine = opened()
        begun.append(store.asked(engine, tokens(i)))
        engine.close()
    yield "open", begun
    engine = opened()
    for name, question in kinds.items():
        engine.ask(tokens(0)).read_all()
        first, *others = [store.asked(engine, question(i)) for i in range(len(features))]
        yield f"{name}, first", [first]
        yield name, others
    paused = []
    for i in range(min(len(features), 5)):
        time.sleep(PAUSE_S)
        paused.append(store.asked(engine, tokens(i)))
    yield "tokens, after a pause", paused
    engine.close()


def commits(store: Store, like: Profile) -> Table:
    """What commits of shards cost, the first and the last of many, and indexing them."""
    lake = Lake(f"{store.uri}-of-shards")
    synthesis = Synthesis(like, COMMITS * BLOCK, mean_length=SHARD_LENGTH)
    imported = store.cost(lambda: import_documents(lake, NAME.corpus, synthesis))
    committing = shards(lake, synthesis, 1)
    found = [store.cost(lambda: next(committing)) for _ in range(COMMITS)]
    store.cost(lambda: list(committing))
    some = COMMITS // 4
    return Table(
        title=f"writing {COMMITS} shards of {BLOCK} documents",
        rows=[
            row("import, at once", [imported]),
            row(f"a shard, of the first {some}", found[1 : some + 1]),
            row(f"a shard, of the last {some}", found[-some:]),
            row("index, at once", [store.cost(lambda: index(lake, NAME))]),
            row("index, nothing new", [store.cost(lambda: index(lake, NAME))]),
        ],
    )


def row(name: str, asked: list[Asked]) -> dict[str, Cell]:
    """A row of the table."""
    return {
        "question": name,
        "requests": fmean(one.requests for one in asked),
        "most": max(one.requests for one in asked),
        "KB": fmean(one.n_bytes for one in asked) / 1e3,
        "ms": 1e3 * median(one.seconds for one in asked),
    }


def by_object(found: list[tuple[str, list[Asked]]]) -> Iterator[dict[str, Cell]]:
    """How many requests of each kind a question needs, of which kind of object, in the mean."""
    for name, asked in found:
        total: Counter[str] = sum((one.objects for one in asked), Counter())
        for which, n in total.most_common():
            yield {"question": name, "request": which, "a question": n / len(asked)}
