"""Jobs: what drivers tell of themselves, and how long that is believed."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from saelake.store.errors import Unavailable
from saelake.store.lake.jobs import KEPT, SILENT_S, JobLog, JobRecord
from saelake.store.lake.lake import Lake
from saelake.store.tables.files import delete, list_files, read_bytes, write_bytes


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_a_lake_without_jobs_has_none(lake: Lake) -> None:
    assert JobLog(lake).jobs() == []


def test_what_is_told_last_is_what_is_read(lake: Lake) -> None:
    log, job = JobLog(lake), JobRecord(corpus="c", collections=("c/d",), n_total=10)
    log.write(job)
    assert JobLog(lake).jobs() == [job]
    log.write(replace(job, n_documents=10, state="done"))
    (found,) = JobLog(lake).jobs()
    assert (found.id, found.state, found.n_documents) == (job.id, "done", 10)


def test_a_job_that_is_silent_is_interrupted_unless_it_has_ended(lake: Lake) -> None:
    log, long_ago = JobLog(lake), time.time() - SILENT_S - 1
    for state in ("running", "done", "failed"):
        log.write(JobRecord(corpus=state, state=state, started=long_ago, heartbeat=long_ago))
    log.write(JobRecord(corpus="alive", started=long_ago))
    states = {job.corpus: job.state for job in log.jobs()}
    assert states == {
        "running": "interrupted",
        "done": "done",
        "failed": "failed",
        "alive": "running",
    }


def test_the_latest_come_first_and_old_ones_are_forgotten(lake: Lake) -> None:
    log = JobLog(lake)
    running = JobRecord(corpus="running", started=0.0)
    log.write(running)
    for number in range(KEPT + 3):
        log.write(JobRecord(corpus=str(number), started=float(number + 1), state="done"))
    log.forget_old()
    found = log.jobs()
    assert [job.corpus for job in found[:2]] == [str(KEPT + 2), str(KEPT + 1)]
    assert (len(found), found[-1]) == (KEPT + 1, running)


def test_what_is_no_job_is_passed_over(lake: Lake) -> None:
    log, job = JobLog(lake), JobRecord(corpus="c")
    log.write(job)
    for name, content in (("a.json", b"{"), ("b.json", b"[]"), ("c.json", b'{"pid": 1}')):
        write_bytes(f"{lake.uri}/jobs/{name}", content)
    newer = job.to_json().replace('"corpus": "c"', '"corpus": "new", "unknown": 1')
    write_bytes(f"{lake.uri}/jobs/d.json", newer.encode())
    assert {found.corpus for found in log.jobs()} == {"c", "new"}


def test_jobs_that_cannot_be_read_are_no_harm(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    log = JobLog(lake)
    log.write(JobRecord(corpus="c"))

    def away(_: str) -> bytes:
        raise Unavailable("The store does not answer.")

    monkeypatch.setattr("saelake.store.lake.jobs.read_bytes", away)
    assert log.jobs() == []
    log.forget_old()


def test_files_are_whole_or_not_there(tmp_path: Path) -> None:
    uri = f"{tmp_path}/folder/file"
    assert (read_bytes(uri), list_files(f"{tmp_path}/folder")) == (None, [])
    write_bytes(uri, b"one")
    write_bytes(uri, b"other")
    assert (read_bytes(uri), list_files(f"{tmp_path}/folder")) == (b"other", [uri])
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]
    delete(uri)
    delete(uri)
    assert read_bytes(uri) is None
