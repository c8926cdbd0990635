"""A server runs jobs of a lake in processes of their own, with real parts."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import saelake
from saelake.answers.jobs import Job
from saelake.lake import Lake
from saelake.store.errors import (
    AccessDenied,
    AlreadyExists,
    Conflict,
    InvalidInput,
    ModelError,
    NotFound,
)
from saelake.store.lake.jobs import JobLog, JobRecord
from saelake.store.lake.lake import Lake as StoredLake
from saelake.store.service.changes import Allowed
from saelake.store.service.jobs.runner import GRACE_S, JobRunner
from saelake.store.tables.tables import Table
from saelake.texts import JOB_PROGRAM
from tests.encoded import NAME, EncodedLake, make_encoded_lake
from tests.served import ALL, changeable

COLLECTION = str(NAME)
MORE = [{"id": f"more{i}", "text": f"w1 w{i % 20} w2"} for i in range(40)]
OTHERS: dict[str, Callable[[Lake], Job]] = {
    "embed": lambda lake: lake.start_embed(NAME.corpus),
    "label": lambda lake: lake.start_label(COLLECTION),
    "project": lambda lake: lake.start_project(COLLECTION, "features"),
}
SLEEPS = (sys.executable, "-c", "import time; time.sleep(600)")
DIES = (sys.executable, "-c", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")


@pytest.fixture
def encoded(tmp_path: Path) -> EncodedLake:
    return make_encoded_lake(tmp_path)


@pytest.fixture
def served(encoded: EncodedLake) -> Iterator[Lake]:
    with changeable(encoded.lake.uri, job_program=JOB_PROGRAM) as lake:
        yield lake


def settled(lake: Lake, job_id: str) -> Job:
    return list(lake.watch_job(job_id))[-1]


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def test_a_corpus_is_imported_encoded_and_indexed_through_a_server(
    served: Lake, encoded: EncodedLake
) -> None:
    said: list[Any] = []
    served.import_corpus(MORE, NAME.corpus)
    report = served.encode(NAME.corpus, dictionary="sae", on_progress=said.append)
    assert report.collections == (COLLECTION,)
    assert (report.n_documents, report.n_failed) == (40, 0)
    assert said[-1].n_total in (0, 40)
    indexed = served.index(COLLECTION)
    assert (indexed.collection, indexed.n_documents) == (COLLECTION, 40)
    row = served[COLLECTION].info()
    assert (row.n_encoded, row.n_indexed) == (70, 70)
    assert [job.kind for job in row.jobs] == ["index"]
    latest = [(job.kind, job.state) for job in served.jobs()[:2]]
    assert latest == [("index", "done"), ("encode", "done")]
    with saelake.connect(encoded.lake.uri) as here:
        assert here.verify().ok
        assert here[COLLECTION].document("more3") == served[COLLECTION].document("more3")
        nothing = here.encode(
            NAME.corpus, model=str(encoded.parts / "llama"), dictionary=str(encoded.parts / "sae")
        )
    assert nothing.n_documents == 0, "what was made is what an encode here makes"


@pytest.mark.slow
def test_all_is_done_in_one_step(served: Lake) -> None:
    stages: list[str] = []

    class Watcher:
        def begin(self, stage: saelake.Stage, /) -> Callable[..., object]:
            return lambda *_: None

        def end(self, stage: saelake.Stage, report: object, /) -> None:
            stages.append(stage.name)

    (made,) = served.ingest(MORE, "other", dictionary="sae", watcher=Watcher())
    assert made.name == "other/sae"
    assert stages == ["import", "encode", "index"]
    assert made.document("more3").error is None


def test_a_corpus_is_embedded_labelled_and_mapped_as_where_the_lake_is(
    encoded: EncodedLake, tmp_path: Path
) -> None:
    copy = StoredLake(str(tmp_path / "copy"))
    shutil.copytree(encoded.lake.uri, copy.uri)
    stages = Stages()
    with changeable(encoded.lake.uri, embedding(encoded), job_program=JOB_PROGRAM) as lake:
        n_labels = lake.label(COLLECTION, model="sentences", watcher=stages)
        mapped = lake.project(COLLECTION, "features", seed=3)
        assert [job.kind for job in lake.jobs()[:3]] == ["project", "label", "embed"]
    assert stages.ended == [("embed", NAME.corpus, 30), ("label", COLLECTION, n_labels)]
    assert stages.seen["embed"][-1] == (30, 30)
    with saelake.connect(copy.uri) as here:
        assert here.label(COLLECTION, model=encoded.sentences) == n_labels > 0
        assert here.project(COLLECTION, "features", seed=3) == mapped
    there, here_made = made_of(encoded.lake), made_of(copy)
    assert there.keys() == here_made.keys()
    for name, table in there.items():
        assert table.equals(here_made[name]), name


class Stages:
    """Notes the stages of a longer work, and how far each was."""

    def __init__(self) -> None:
        self.seen: dict[str, list[tuple[int, int]]] = {}
        self.ended: list[tuple[str, str, object]] = []

    def begin(self, stage: saelake.Stage, /) -> Callable[..., object]:
        seen = self.seen.setdefault(stage.name, [])
        return lambda *at: seen.append(at)

    def end(self, stage: saelake.Stage, report: object, /) -> None:
        self.ended.append((stage.name, stage.of, report))


def embedding(encoded: EncodedLake) -> Allowed:
    """A server that has a sentence model, and all rights."""
    return replace(ALL, sentence_model=encoded.sentences)


def made_of(lake: StoredLake) -> dict[str, pa.Table]:
    """What jobs make of a corpus, but for when they did: vectors, labels, maps."""
    places = {
        "vectors": lake.vectors(NAME.corpus),
        "labels": lake.labels(NAME.dictionary),
        "map": lake.map(NAME, "features"),
    }
    found = {name: Table.find(uri) for name, uri in places.items()}
    return {
        name: table.read([n for n in table.schema.names if n not in ("made", "until")])
        for name, table in found.items()
        if table is not None and table.n_rows
    }


@pytest.mark.parametrize("kind", OTHERS)
def test_a_job_that_is_cancelled_ends_and_nothing_of_it_is_seen(
    encoded: EncodedLake, kind: str
) -> None:
    """At its first batch it waits for ever."""
    log = JobLog(encoded.lake)
    with changeable(encoded.lake.uri, embedding(encoded), job_program=STUCK) as lake:
        job = OTHERS[kind](lake)
        assert within(60, lambda: log.open(job.id).n_documents > 0)
        child = log.open(job.id).pid
        lake.cancel_job(job.id)
        assert settled(lake, job.id).state == "cancelled"
        assert within(GRACE_S / 2, lambda: not _runs(child)), "it ends by itself"
        assert made_of(encoded.lake) == {}
        assert lake.verify().ok


def test_a_job_that_is_killed_leaves_nothing_and_is_done_when_it_is_sent_again(
    encoded: EncodedLake,
) -> None:
    log = JobLog(encoded.lake)
    with changeable(encoded.lake.uri, embedding(encoded), job_program=STUCK) as lake:
        job = lake.start_embed(NAME.corpus, job="first")
        assert within(60, lambda: log.open(job.id).n_documents > 0)
        os.kill(log.open(job.id).pid, signal.SIGKILL)
        ended = settled(lake, job.id)
        assert (ended.state, "SIGKILL" in (ended.problem or "")) == ("failed", True)
        assert made_of(encoded.lake) == {}
        with pytest.raises(NotFound, match="no dense embeddings"):
            lake[COLLECTION].similar(doc=3, method="dense")
        assert lake.start_embed(NAME.corpus, job="first").state == "failed", "one name, one job"
    with changeable(encoded.lake.uri, embedding(encoded), job_program=JOB_PROGRAM) as lake:
        assert lake.embed(NAME.corpus) == 30
        assert len(lake[COLLECTION].similar(doc=3, method="dense"))


def test_a_job_that_is_started_twice_runs_once(served: Lake) -> None:
    first = served.start_index(COLLECTION, job="nightly")
    assert served.start_index(COLLECTION, job="nightly").id == first.id == "nightly"
    assert settled(served, "nightly").state == "done"
    assert served.start_index(COLLECTION, job="nightly").state == "done"
    assert [job.kind for job in served.jobs()] == ["index", "encode"]
    with pytest.raises(AlreadyExists, match="nightly"):
        served.start_encode(NAME.corpus, dictionary="sae", job="nightly")
    with pytest.raises(InvalidInput, match="job"):
        served.start_index(COLLECTION, job="../x")


def test_a_job_outlives_who_asked_for_it(served: Lake, encoded: EncodedLake) -> None:
    served.import_corpus(MORE, NAME.corpus)
    job = served.start_encode(NAME.corpus, dictionary="sae")
    served.close()
    log = JobLog(encoded.lake)
    assert within(120, lambda: log.open(job.id).has_ended)
    assert log.open(job.id).state == "done"


def test_a_job_that_fails_raises_what_it_failed_by(served: Lake, encoded: EncodedLake) -> None:
    served.import_corpus(MORE, NAME.corpus)
    (encoded.parts / "llama" / "config.json").write_text("{")
    with pytest.raises(ModelError) as raised:
        served.encode(NAME.corpus, dictionary="sae")
    job = served.jobs()[0]
    assert job.state == "failed"
    assert raised.value.message == job.problem
    assert raised.value.data["job"] == job.id


def test_jobs_wait_for_each_other_and_are_cancelled(encoded: EncodedLake) -> None:
    with changeable(encoded.lake.uri, job_program=SLEEPS) as lake:
        runs, waits = lake.start_index(COLLECTION), lake.start_index(COLLECTION)
        log = JobLog(encoded.lake)
        assert within(30, lambda: log.open(runs.id).state == "running")
        assert log.open(waits.id).state == "queued"
        lake.cancel_job(waits.id)
        assert settled(lake, waits.id).state == "cancelled"
        assert log.open(runs.id).state == "running"
        lake.cancel_job(runs.id)
        assert settled(lake, runs.id).state == "cancelled"
        assert lake.cancel_job(runs.id).state == "cancelled", "again it does nothing"


def test_who_waits_for_a_job_that_is_cancelled_is_told(encoded: EncodedLake) -> None:
    with changeable(encoded.lake.uri, job_program=SLEEPS) as lake, ThreadPoolExecutor() as pool:
        indexing = pool.submit(lake.index, COLLECTION)
        assert within(30, lambda: lake.jobs()[0].kind == "index")
        lake.cancel_job(lake.jobs()[0].id)
        with pytest.raises(Conflict, match="was cancelled"):
            indexing.result()


def test_a_job_whose_process_dies_is_told_to_have_failed(encoded: EncodedLake) -> None:
    with changeable(encoded.lake.uri, job_program=DIES) as lake:
        job = settled(lake, lake.start_index(COLLECTION).id)
        assert job.state == "failed"
        assert "SIGKILL" in (job.problem or "")
        assert settled(lake, lake.start_index(COLLECTION).id).state == "failed", "others go on"


def test_a_job_that_cannot_be_begun_is_told_to_have_failed(
    encoded: EncodedLake, caplog: pytest.LogCaptureFixture
) -> None:
    with changeable(encoded.lake.uri, job_program=("/no/such/program",)) as lake:
        jobs = [settled(lake, lake.start_index(COLLECTION).id) for _ in range(2)]
    assert [job.state for job in jobs] == ["failed", "failed"]
    assert all("could not be run" in (job.problem or "") for job in jobs)
    assert "/no/such/program" in caplog.text


def test_a_server_that_stops_ends_its_jobs(encoded: EncodedLake) -> None:
    with changeable(encoded.lake.uri, job_program=SLEEPS) as lake:
        jobs = [lake.start_index(COLLECTION).id for _ in range(2)]
        log = JobLog(encoded.lake)
        assert within(30, lambda: log.open(jobs[0]).state == "running")
    assert [log.open(job).state for job in jobs] == ["interrupted", "interrupted"]
    with changeable(encoded.lake.uri, job_program=JOB_PROGRAM) as lake:
        assert settled(lake, lake.start_index(COLLECTION).id).state == "done"


def test_a_job_ends_with_its_server(encoded: EncodedLake) -> None:
    """The pipe that is its standard input ends when the server's process does."""
    with saelake.connect(encoded.lake.uri) as here:
        here.import_corpus(MORE, NAME.corpus)
    code = (
        "import sys, time\n"
        "from saelake.store.lake.lake import Lake\n"
        "from saelake.store.service.jobs.runner import JobRunner\n"
        "from saelake.store.requests.commands.jobs import StartIndexCommand\n"
        f"runner = JobRunner(Lake({encoded.lake.uri!r}), {SLOW!r})\n"
        f"print(runner.begin(StartIndexCommand(collection={COLLECTION!r})).id, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        job_id = server.stdout.readline().decode().strip()
        log = JobLog(encoded.lake)
        assert within(60, lambda: log.open(job_id).pid != server.pid)
        child = log.open(job_id).pid
        server.send_signal(signal.SIGKILL)
        server.wait()
        assert within(60, lambda: log.open(job_id).state == "interrupted")
        assert within(60, lambda: not _runs(child))


STUCK = (
    sys.executable,
    "-c",
    "import sys, time, saelake.workers.served as served\n"
    "counted = served.Telling.counted\n"
    "served.Telling.counted = lambda *args: (counted(*args), time.sleep(600))\n"
    "sys.exit(served.main(*sys.argv[1:]))",
)
SLOW = (
    sys.executable,
    "-c",
    "import sys, time, saelake.workers.served as served\n"
    "served.run = lambda *_: time.sleep(600)\n"
    "sys.exit(served.main(*sys.argv[1:]))",
)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_no_path_of_a_client_is_opened(served: Lake, encoded: EncodedLake) -> None:
    with pytest.raises(NotFound, match="opens no path"):
        served.start_encode(NAME.corpus, dictionary=str(encoded.parts / "sae"))
    with pytest.raises(InvalidInput, match="may read"):
        served.start_encode(NAME.corpus, dictionary="sae", model=str(encoded.parts / "bert"))
    with pytest.raises(InvalidInput, match="may read"):
        served.start_encode(NAME.corpus, dictionary="sae", model="tests")
    for dictionary, model in (("hf://owner/repo/sae", "owner/model"), ("sae", "owner/model")):
        with pytest.raises(AccessDenied, match="--allow-hub"):
            served.start_encode(NAME.corpus, dictionary=dictionary, model=model)
    options = saelake.EncodeOptions(trust_remote_code=True)
    with pytest.raises(InvalidInput, match="cannot be said to a server"):
        served.start_encode(NAME.corpus, dictionary="sae", options=options)
    with pytest.raises(NotFound):
        served.start_encode("nothing", dictionary="sae")
    for start in (served.start_index, served.start_label, served.start_project):
        with pytest.raises(NotFound):
            start("words/nothing")
    with pytest.raises(NotFound):
        served.start_embed("nothing")
    for wrong in ("../parts", "a--b"):
        with pytest.raises(InvalidInput, match="name of a corpus"):
            served.start_embed(wrong)
    with pytest.raises(InvalidInput, match="without --sentence-model"):
        served.start_embed(NAME.corpus)
    with pytest.raises(InvalidInput, match="may read"):
        served.start_embed(NAME.corpus, model=encoded.sentences)
    with pytest.raises(AccessDenied, match="--allow-hub"):
        served.start_embed(NAME.corpus, model="owner/model")
    assert [job.kind for job in served.jobs()] == ["encode"], "the one that made the lake"


def test_what_is_at_the_hub_is_asked_where_it_is_allowed(encoded: EncodedLake) -> None:
    allowed = Allowed(rights=ALL.rights, hub=True)
    with changeable(encoded.lake.uri, allowed, job_program=DIES) as lake:
        choice = saelake.DictionaryChoice(location="hf://owner/repo/sae", name="far")
        job = lake.start_encode(NAME.corpus, model="owner/model", dictionary=choice)
        asked = JobLog(encoded.lake).open(job.id).asked
        assert asked is not None
        assert asked["model"] == "owner/model"
        assert asked["dictionaries"][0]["location"] == "hf://owner/repo/sae"
        with pytest.raises(InvalidInput, match="which model"):
            lake.start_encode(NAME.corpus, dictionary=choice)
        embeds = JobLog(encoded.lake).open(lake.start_embed(NAME.corpus, model="owner/model").id)
        assert embeds.asked == {"kind": "embed", "corpus": NAME.corpus, "model": "owner/model"}


def test_a_job_finds_the_modules_that_its_server_has(
    encoded: EncodedLake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "only_there.py").write_text("raise SystemExit(7)")
    monkeypatch.syspath_prepend(tmp_path)
    program = (sys.executable, "-c", "import only_there")
    with changeable(encoded.lake.uri, job_program=program) as lake:
        job = settled(lake, lake.start_index(COLLECTION).id)
    assert job.problem is not None
    assert "exit code 7" in job.problem


def queued(number: int, **more: Any) -> JobRecord:
    return JobRecord(kind="index", corpus="c", state="queued", asked={"n": number}, **more)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[tuple[JobRunner, JobLog]]:
    lake = StoredLake(str(tmp_path / "lake"))
    made = JobRunner(lake, (sys.executable, "-c", "import time; time.sleep(0.3)"))
    yield made, JobLog(lake)
    made.close()


def test_jobs_begin_whichever_was_made_first(runner: tuple[JobRunner, JobLog]) -> None:
    """Two requests at once take the lock in either order, and a clock may step back."""
    jobs, log = runner
    now = time.time()
    made = [jobs.start(queued(n, id=f"j{n}", started=now - n)).id for n in range(3)]
    assert within(30, lambda: all(log.open(job).has_ended for job in made))


def test_a_job_that_was_silent_runs_and_one_that_is_gone_holds_nobody_up(
    runner: tuple[JobRunner, JobLog], tmp_path: Path
) -> None:
    """As after the sleep of a machine, and when somebody has taken its file away."""
    jobs, log = runner
    for name in ("first", "silent", "gone", "ended", "last"):
        jobs.start(queued(1, id=name))
    silent = log.open("silent")
    log.write(replace(silent, heartbeat=time.time() - 100))
    (tmp_path / "lake" / "jobs" / "gone.json").unlink()
    log.write(replace(log.open("ended"), state="cancelled"))
    assert within(30, lambda: log.open("last").has_ended)
    assert [log.open(name).state for name in ("silent", "ended")] == ["failed", "cancelled"]
    assert log.find("gone") is None


def test_jobs_go_on_after_any_error(
    runner: tuple[JobRunner, JobLog], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As of a folder that cannot be read for a while."""
    jobs, log = runner
    jobs.start(queued(1, id="first"))
    jobs.start(queued(2, id="second"))
    folder = tmp_path / "lake" / "jobs"
    away = folder.with_name("away")
    folder.rename(away)
    folder.write_text("a file in place of the folder")
    assert within(30, lambda: "cannot be looked at" in caplog.text)
    folder.unlink()
    away.rename(folder)
    assert within(30, lambda: log.open("second").has_ended)


def test_a_job_that_cannot_be_written_down_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "jobs").write_text("a file in place of the folder")
    jobs = JobRunner(StoredLake(str(tmp_path / "lake")), SLEEPS)
    with pytest.raises(OSError, match="jobs"):
        jobs.start(queued(1))
    jobs.close()


def test_a_process_ends_when_its_job_is_told_to_have_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake = StoredLake(str(tmp_path / "lake"))
    pids = tmp_path / "pids"
    code = f"import os, time; open({str(pids)!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    jobs, log = JobRunner(lake, (sys.executable, "-c", code)), JobLog(lake)

    def fail(*_: object) -> bool:
        assert within(30, lambda: pids.exists() and pids.read_text() != "")
        raise RuntimeError("nothing that was foreseen")

    monkeypatch.setattr(jobs, "_followed", fail)
    jobs.start(queued(1, id="a"))
    assert within(30, lambda: log.open("a").state == "failed")
    assert not _runs(int(pids.read_text()))
    jobs.close()
