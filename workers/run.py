"""Encode a corpus, from its documents to committed shards: in this process, or on a Ray cluster."""

import math
import sys
from collections.abc import Callable, Sequence

from saelake.store.documents.documents import Documents
from saelake.store.errors import MissingExtra
from saelake.store.lake.lake import Lake
from saelake.workers.fleet.driver import Driver
from saelake.workers.fleet.job import EncodeJob
from saelake.workers.fleet.local_pool import LocalPool
from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions
from saelake.workers.fleet.pool import Pool
from saelake.workers.fleet.progress import EncodeProgress, EncodeReport
from saelake.workers.fleet.ray_cluster import RayCluster
from saelake.workers.fleet.schedule import Policy

__all__ = [
    "DictionaryChoice",
    "EncodeOptions",
    "EncodeProgress",
    "EncodeReport",
    "RayCluster",
    "encode",
]

GATHER_S = 1.0  # of many workers' shards, those of so long are committed together


def encode(
    lake: Lake,
    corpus: str,
    *,
    model: str,
    dictionaries: Sequence[DictionaryChoice],
    options: EncodeOptions | None = None,
    cluster: RayCluster | None = None,
    on_progress: Callable[[EncodeProgress], object] = lambda _: None,
) -> EncodeReport:
    """Encode what is not encoded yet of a corpus, with several dictionaries in one forward run.

    Run again, it continues: shards that are committed are never encoded or stored twice, whatever
    was killed. With a `cluster` its workers encode, and this process commits. Raises the errors of
    `Worker.load`, and `AlreadyExists` where a collection was begun with other settings.
    """
    options = options or EncodeOptions()
    job = EncodeJob(
        lake=lake.pinned(),
        corpus=corpus,
        model=model,
        dictionaries=tuple(dictionaries),
        options=options,
    )
    documents = Documents.open(lake, corpus)
    pool = LocalPool(job) if cluster is None else _ray_pool(job, cluster)
    policy = alone(options) if cluster is None else together(options)
    driver = Driver(job, documents, pool, policy, on_progress)
    done = driver.run()
    return EncodeReport(
        collections=driver.collections,
        n_documents=done.n_documents,
        n_tokens=done.n_tokens,
        n_codes=done.n_codes,
        n_failed=done.n_failed,
        n_repeated=done.n_repeated,
    )


def _ray_pool(job: EncodeJob, cluster: RayCluster) -> Pool:
    try:
        from saelake.workers.ray.pool import RayPool
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "Encoding on a Ray cluster needs ray, which is not installed: "
            "pip install 'saelake[ray]'.",
            extra="ray",
            module=error.name,
        ) from error
    return RayPool(job, cluster)


def together(options: EncodeOptions) -> Policy:
    """How workers of a cluster are given work."""
    return Policy(
        shard_documents=options.shard_documents, on_error=options.on_error, gather_s=GATHER_S
    )


def alone(options: EncodeOptions) -> Policy:
    """How one worker in this process is given work: nobody can take over what it fails at."""
    return Policy(
        shard_documents=options.shard_documents,
        on_error=options.on_error,
        attempts=1,
        failures=sys.maxsize,
        least_s=math.inf,
        first_s=math.inf,
    )
