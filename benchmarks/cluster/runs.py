"""One run of the cluster benchmark in a fresh process.

`python -m benchmarks.cluster.runs alone|ray WORKLOAD.json OUT WORKERS` encodes a workload, in this
process or with so many workers on a Ray of this machine; `... calls` measures Ray's own part.
"""

import sys
import time
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.common.measure import print_result
from benchmarks.encode.workload import Workload
from saelake.store.documents.documents import import_documents
from saelake.store.lake.lake import Lake
from saelake.workers.corpus import open_source
from saelake.workers.run import (
    DictionaryChoice,
    EncodeOptions,
    EncodeProgress,
    RayCluster,
    encode,
)

CORPUS = "corpus"
N_CALLS = 2000


def encoded(workload: Workload, out: Path, cluster: RayCluster | None, n_workers: int) -> None:
    """Encode; `seconds` are a worker's, from when it is ready to the last commit of all."""
    lake = Lake(str(out / "lake"))
    import_documents(lake, CORPUS, open_source(workload.texts))
    begun = time.perf_counter()
    seen: list[tuple[float, EncodeProgress]] = []
    report = encode(
        lake,
        CORPUS,
        model=workload.model,
        dictionaries=[DictionaryChoice(location=workload.dictionary, name="dictionary")],
        options=EncodeOptions(
            window=workload.window,
            batch_tokens=workload.batch_tokens,
            shard_documents=workload.shard_documents,
        ),
        cluster=cluster,
        on_progress=lambda progress: seen.append((time.perf_counter(), replace(progress))),
    )
    ended = time.perf_counter()
    last, progress = seen[-1]
    assert progress.n_documents == workload.n_documents
    ready = [next(at for at, p in seen if p.n_workers > worker) for worker in range(n_workers)]
    print_result(
        seconds=last - sum(ready) / n_workers,
        around_seconds=(ended - begun) - (last - ready[0]),
        n_tokens=report.n_tokens,
        n_codes=report.n_codes,
        n_repeated=report.n_repeated,
    )


def calls() -> None:
    """What it costs a driver to send an actor a shard and to take its answer, without any work."""
    import ray

    from saelake.workers.encoder.shard import Shard

    ray.init("local", include_dashboard=False, log_to_driver=False)

    class Echo:
        def encode(self, shard: Shard) -> Shard:
            return shard

    actor = ray.remote(Echo).remote()
    shard = Shard(start=0, stop=1, collections=("c/d",))
    ray.get(actor.encode.remote(shard))
    begun = time.process_time()
    waiting = [actor.encode.remote(shard) for _ in range(N_CALLS)]
    while waiting:
        ready, waiting = ray.wait(waiting, num_returns=1)
        ray.get(ready[0])
    print_result(seconds=(time.process_time() - begun) / N_CALLS)
    ray.shutdown()


def main(kind: str, path: str = "", out: str = "", workers: str = "1") -> None:
    if kind == "calls":
        calls()
        return
    workload = Workload.read(path)
    torch.set_num_threads(workload.threads)
    if kind == "alone":
        encoded(workload, Path(out), None, 1)
        return
    n_workers = int(workers)
    cluster = RayCluster(address="local", workers=n_workers, cpus_per_worker=workload.threads)
    encoded(workload, Path(out), cluster, n_workers)


if __name__ == "__main__":
    main(*sys.argv[1:])
