"""The options of a Ray cluster, and how jobs are shown."""

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from saelake.cli.options.ray import with_address
from saelake.store.errors import InvalidInput
from saelake.store.lake.jobs import JobLog, JobRecord
from saelake.store.lake.lake import Lake
from saelake.store.reports import JobState
from saelake.workers.fleet.ray_cluster import RayCluster, Share, share_of
from tests.client.cli.command import asked, run
from tests.lakes import MadeLake


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("encode c --ray", "encode c --ray auto"),
        ("--ray --workers 2 c", "--ray auto --workers 2 c"),
        ("--ray corpus", "--ray auto corpus"),
        ("--ray auto corpus", "--ray auto corpus"),
        ("--ray local", "--ray local"),
        ("--ray head:6379 corpus", "--ray head:6379 corpus"),
        ("--ray ray://head:10001", "--ray ray://head:10001"),
        ("--ray=local corpus", "--ray=local corpus"),
    ],
)
def test_ray_may_stand_without_an_address(typed: str, meant: str) -> None:
    assert with_address(typed.split()) == meant.split()


def test_wrong_clusters_are_refused_in_one_line() -> None:
    with pytest.raises(InvalidInput, match=r"not 'here'; .*not 0; .*-1.*; .*not 0\."):
        RayCluster(address="here", workers=0, gpus_per_worker=-1.0, cpus_per_worker=0)
    with pytest.raises(InvalidInput, match=r"a part of one GPU or whole ones, not 1\.5 GPUs"):
        RayCluster(gpus_per_worker=1.5)
    command = ["encode", "c", "--model", "m", "--dictionary", "d", "--lake", "nowhere"]
    ran = run(*command, "--workers", "2")
    assert (ran.code, ran.err) == (2, "Error: --workers is of a Ray cluster: give --ray too.\n")
    ran = run("index", "c/d", "--lake", "nowhere", "--cpus-per-worker", "2")
    said = "Error: --cpus-per-worker is of a Ray cluster: give --ray too.\n"
    assert (ran.code, ran.err) == (2, said)
    ran = run(*command, "--ray=here")
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert "ray://HOST:PORT" in ran.err


@pytest.mark.parametrize(
    ("cluster", "n_cpus", "n_gpus", "share"),
    [
        (RayCluster(), 8, 0, Share(workers=4, gpus=0, cpus=2)),
        (RayCluster(workers=2), 2, 0, Share(workers=2, gpus=0, cpus=1)),
        (RayCluster(), 1, 0, Share(workers=1, gpus=0, cpus=1)),
        (RayCluster(), 64, 8, Share(workers=8, gpus=1, cpus=2)),
        (RayCluster(gpus_per_worker=0.25), 64, 2, Share(workers=8, gpus=0.25, cpus=2)),
        (RayCluster(gpus_per_worker=4), 64, 9, Share(workers=2, gpus=4, cpus=2)),
        (RayCluster(gpus_per_worker=0), 8, 2, Share(workers=4, gpus=0, cpus=2)),
        (RayCluster(workers=3, cpus_per_worker=4), 4, 0, Share(workers=3, gpus=0, cpus=4)),
    ],
)
def test_a_cluster_is_shared_out(
    cluster: RayCluster, n_cpus: int, n_gpus: int, share: Share
) -> None:
    assert share_of(cluster, n_cpus, n_gpus) == share


@pytest.mark.parametrize(
    ("gpus", "asked", "device"),
    [
        (4, None, "cuda:0,cuda:1,cuda:2,cuda:3"),
        (4, "cuda:2", "cuda:2"),
        (1, None, None),
        (0.25, None, None),
        (0, "cpu", "cpu"),
    ],
)
def test_a_worker_of_several_gpus_uses_them_all(
    gpus: float, asked: str | None, device: str | None
) -> None:
    assert Share(workers=1, gpus=gpus, cpus=2).device(asked) == device


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"n_workers": 2}, "encoding for 5 min: 12 of 30 documents, 2 workers, driven from box"),
        ({"heartbeat": -200.0}, "no sign of life for 3 min of the encode from box: 12 of 30"),
        (
            {"state": "failed", "problem": "disk full", "n_failed": 1},
            "the last encode failed: 12 of 30 documents, 1 failed; disk full",
        ),
        ({"state": "done"}, "the last encode: 12 of 30 documents in 5 min"),
    ],
)
def test_info_shows_jobs(tmp_path: Path, changes: dict[str, Any], shown: str) -> None:
    (tmp_path / "rows.jsonl").write_text('{"text": "w1"}\n')
    lake = str(tmp_path / "lake")
    assert run("import", str(tmp_path / "rows.jsonl"), "--lake", lake).code == 0
    now = time.time()
    values = {"started": -300.0, "heartbeat": 0.0, "n_documents": 12, "n_total": 30, **changes}
    for name in ("started", "heartbeat"):
        values[name] = now + values[name]
    job = JobRecord(corpus="rows", collections=("rows/sae",), host="box", **values)
    JobLog(Lake(lake)).write(job)
    assert shown in " ".join(asked("info", "--lake", lake).split())
    (row,) = json.loads(asked("info", "--lake", lake, "--format", "json"))["collections"]
    assert [found["id"] for found in row["jobs"]] == [job.id]
    assert row["jobs"][0]["n_documents"] == 12


def test_an_index_without_ray_says_what_to_install(
    made: MadeLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    for name in ("executor", "session"):
        monkeypatch.delitem(sys.modules, f"saelake.workers.ray.{name}", raising=False)
    ran = run("index", "made/random", "--lake", made.lake.uri, "--ray", "local")
    assert ran.code != 0
    assert "pip install 'saelake[ray]'" in ran.err


@pytest.mark.parametrize(("state", "n_said"), [("running", 1), ("done", 0), ("failed", 0)])
def test_a_second_encode_is_told_of_the_first(
    tmp_path: Path, parts: Path, state: JobState, n_said: int
) -> None:
    lake = str(tmp_path / "lake")
    file = str(parts / "some words.parquet")
    assert run("import", file, "--corpus", "words", "--lake", lake).code == 0
    log = JobLog(Lake(lake))
    log.write(JobRecord(corpus="words", host="box", pid=7, state=state))
    log.write(JobRecord(corpus="others", host="box", pid=8))
    command = ["--model", str(parts / "tiny-llama"), "--dictionary", str(parts / "sae")]
    ran = run("encode", "words", *command, "--lake", lake)
    assert ran.code == 0
    told = r"Process 7 on box was encoding words \d+ s ago. If it still does"
    assert len(re.findall(told, ran.err)) == n_said
    assert "Process 8" not in ran.err
