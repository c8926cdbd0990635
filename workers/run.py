"""Encode a corpus, from its documents to committed shards: in this process, or on a Ray cluster."""

import math
import sys
from collections.abc import Callable, Sequence

from saelake.store.documents.documents import Documents
from saelake.store.errors import extra
from saelake.store.lake.lake import Lake
from saelake.workers.beforehand import check_beforehand
from saelake.workers.dictionaries.load import check_dictionary
from saelake.workers.encoder.models import check_model
from saelake.workers.fleet.driver import Driver
from saelake.workers.fleet.finished import EncodeRequest
from saelake.workers.fleet.foreseen import check_foreseen
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
    "check",
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
    is_told: bool = True,
) -> EncodeReport:
    """Encode what is not encoded yet of a corpus, with several dictionaries in one forward run.

    Dictionaries that state different contexts (how many tokens, with BOS or without) are run in
    separate passes, which the report's `notes` say.
    Run again, it continues: shards that are committed are never encoded or stored twice, whatever
    was killed. With a `cluster` its workers encode, and this process commits. It is told in the
    lake's jobs, unless the caller does that (not `is_told`). Raises the errors of `Worker.load`,
    and `AlreadyExists` where a collection was begun with other settings.
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
    driver = Driver(job, documents, pool, policy, on_progress, is_told=is_told)
    done = driver.run()
    return EncodeReport(
        collections=driver.collections,
        n_documents=done.n_documents,
        n_tokens=done.n_tokens,
        n_codes=done.n_codes,
        n_failed=done.n_failed,
        n_repeated=done.n_repeated,
        notes=(*done.notes, *done.warnings),
    )


def check(asked: EncodeRequest, *, cluster: RayCluster | None = None) -> None:
    """Raise what `encode` would raise, as far as that can be told without the model's weights.

    These are not fetched, so that they may still be wrong; dictionaries are, unless the lake knows
    them (see `beforehand`). Of what is to be on the machines of a `cluster` only the names and the
    settings are checked.
    """
    check_foreseen(asked, is_here=cluster is None, is_imported=False)
    if cluster is not None:
        with extra("ray", "Encoding on a Ray cluster"):
            import saelake.workers.ray.pool  # noqa: F401
        return
    options = asked.options
    check_model(
        str(asked.model),
        device=options.device,
        dtype=options.dtype,
        quantization=options.quantization,
        trust_remote_code=options.trust_remote_code,
    )
    for choice in asked.dictionaries:
        check_dictionary(choice.location)
    check_beforehand(asked)


def _ray_pool(job: EncodeJob, cluster: RayCluster) -> Pool:
    with extra("ray", "Encoding on a Ray cluster"):
        from saelake.workers.ray.pool import RayPool
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
