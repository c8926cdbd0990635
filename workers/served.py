"""One job of a server, in a process of its own: `python -m saelake.workers.served LAKE ID`.

It tells how far it is in the lake, each second, and ends when its server does: its standard input
is a pipe that then ends too.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from threading import Event, Lock, Thread
from typing import Any

from saelake.store.errors import SaelakeError, extra
from saelake.store.growth.index import index
from saelake.store.growth.label import label_collection
from saelake.store.lake.jobs import JobLog, JobRecord
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.reports import JobKind
from saelake.store.service.begun import be_later
from saelake.store.snapshot.session import Session
from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions
from saelake.workers.fleet.progress import EncodeProgress

TOLD_S = 1.0
NICENESS = 19  # behind all that answers meanwhile
FIRST_TO_GO = 900  # before what computes answers


class Telling:
    """What is told of a job while it runs: the newest, once a second. A context manager."""

    def __init__(self, lake: Lake, job: JobRecord) -> None:
        self._log = JobLog(lake)
        self._job = replace(job, state="running", is_loading=True, pid=os.getpid())
        self._lock = Lock()
        self._ended = Event()
        self._thread = Thread(target=self._tell_all, daemon=True)

    def __enter__(self) -> "Telling":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._write()

    def say(self, **changes: Any) -> None:
        """Note what is new."""
        with self._lock:
            self._job = replace(self._job, is_loading=False, **changes)

    def encoded(self, progress: EncodeProgress) -> None:
        """Note how far an encode is."""
        with self._lock:
            self._job = replace(self._job, **asdict(progress))

    def counted(self, n_done: int, n_total: int) -> None:
        """Note how much is done, of what is no encode."""
        self.say(n_documents=n_done, n_total=n_total)

    def _tell_all(self) -> None:
        while not self._ended.wait(TOLD_S):
            self._write()

    def _write(self) -> None:
        with self._lock:
            self._job = replace(self._job, heartbeat=time.time())
            self._log.write(self._job)


def run(lake: Lake, job: JobRecord, telling: Telling) -> None:
    """Do what a job is asked, and tell how it went. Raises what stops it."""
    asked = job.asked or {}
    _WORKS[asked["kind"]](lake, asked, telling)


def _encode(lake: Lake, asked: Mapping[str, Any], telling: Telling) -> None:
    from saelake.workers.run import encode  # with torch, which other jobs need not wait for

    report = encode(
        lake,
        asked["corpus"],
        model=asked["model"],
        dictionaries=[DictionaryChoice(**choice) for choice in asked["dictionaries"]],
        options=EncodeOptions(**asked["options"]),
        on_progress=telling.encoded,
        is_told=False,
    )
    said = {name: value for name, value in asdict(report).items() if name != "notes"}
    telling.say(state="done", **said)


def _index(lake: Lake, asked: Mapping[str, Any], telling: Telling) -> None:
    made = index(lake, CollectionName.parse(asked["collection"]), on_progress=telling.counted)
    amounts = {name: getattr(made, name) for name in ("n_postings", "n_segments")}
    telling.say(state="done", n_documents=made.n_documents, **amounts)


def _embed(lake: Lake, asked: Mapping[str, Any], telling: Telling) -> None:
    from saelake.workers.texts.embed import embed_corpus  # with torch

    corpus, model = asked["corpus"], asked["model"]
    n = embed_corpus(lake, corpus, model=model, on_progress=telling.counted)
    telling.say(state="done", n_documents=n)


def _label(lake: Lake, asked: Mapping[str, Any], telling: Telling) -> None:
    n = label_collection(Session(lake), asked["collection"], on_progress=telling.counted)
    telling.say(state="done", n_labels=n)


def _project(lake: Lake, asked: Mapping[str, Any], telling: Telling) -> None:
    with extra("maps", "A map"):
        from saelake.store.growth.maps import make_map
    of, seed = asked["of"], asked["seed"]
    session = Session(lake)
    made = make_map(session, asked["collection"], of, seed=seed, on_progress=telling.counted)
    amounts = {name: getattr(made, name) for name in ("n_fitted", "n_clusters")}
    telling.say(state="done", n_documents=made.n, **amounts)


_WORKS: Mapping[JobKind, Callable[[Lake, Mapping[str, Any], Telling], None]] = {
    "encode": _encode,
    "index": _index,
    "embed": _embed,
    "label": _label,
    "project": _project,
}


def main(uri: str, job_id: str) -> int:
    """Run the job of this id; 0 when it is done."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    be_later(NICENESS, FIRST_TO_GO)
    Thread(target=_end_with_the_server, daemon=True).start()
    lake, log = Lake(uri), JobLog(Lake(uri))
    job = log.open(job_id)
    with Telling(lake, job) as telling:
        try:
            run(lake, job, telling)
        except KeyboardInterrupt:
            if log.is_cancelled(job_id):  # who watches looks no further than the first end
                telling.say(state="cancelled")
            else:
                telling.say(state="interrupted", problem="It was ended.")
            return 130
        except Exception as error:
            kind = type(error).__name__
            said = str(error) if isinstance(error, SaelakeError) else f"{kind}: {error}"
            telling.say(state="failed", problem=said, error=kind)
            return 1
    return 0


def _end_with_the_server() -> None:
    while os.read(sys.stdin.fileno(), 1):
        pass
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
