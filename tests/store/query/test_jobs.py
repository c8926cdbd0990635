"""Jobs are listed with all that is known of them."""

from pathlib import Path

import pytest

from saelake.store.engine import Engine
from saelake.store.errors import NotFound
from saelake.store.lake.jobs import JobLog, JobRecord
from saelake.store.lake.lake import Lake
from saelake.store.requests.jobs import JobsQuery


def test_jobs_are_those_of_the_log_latest_first(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    log = JobLog(lake)
    for number in range(3):
        log.write(
            JobRecord(
                id=f"j{number}",
                kind="index",
                corpus=f"c{number}",
                collections=(f"c{number}/d",),
                state="done",
                started=float(number),
                n_postings=7,
                notes=("a note",),
            )
        )
    engine = Engine(lake.uri)
    rows = engine.ask(JobsQuery()).read_all().to_pylist()
    assert [row["id"] for row in rows] == ["j2", "j1", "j0"]
    assert rows[0]["collections"] == ["c2/d"]
    assert (rows[0]["n_postings"], rows[0]["notes"]) == (7, ["a note"])
    (one,) = engine.ask(JobsQuery(id="j1")).read_all().to_pylist()
    assert one == rows[1]
    some = engine.ask(JobsQuery(corpora=("c0", "c2"))).read_all()["id"].to_pylist()
    assert some == ["j2", "j0"]
    for wrong in ("j9", "../j1", ""):
        with pytest.raises(NotFound, match="no job"):
            engine.ask(JobsQuery(id=wrong))
