"""One job of a server, in a process of its own: `python -m saelake.workers.served LAKE ID`.

It tells how far it is in the lake, each second, and ends when its server does: its standard input
is a pipe that then ends too.
"""

import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from threading import Event, Lock, Thread
from typing import Any

from saelake.store.errors import SaelakeError
from saelake.store.growth.index import index
from saelake.store.lake.jobs import JobLog, JobRecord
from saelake.store.lake.lake import CollectionName, Lake
from saelake.store.service.begun import be_later
from saelake.workers.fleet.options import DictionaryChoice, EncodeOptions
from saelake.workers.fleet.progress import EncodeProgress
from saelake.workers.run import encode

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

    def indexed(self, n_done: int, n_total: int) -> None:
        """Note how far an index is."""
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
    if asked["kind"] == "index":
        made = index(lake, CollectionName.parse(asked["collection"]), on_progress=telling.indexed)
        amounts = {name: getattr(made, name) for name in ("n_postings", "n_segments")}
        telling.say(state="done", n_documents=made.n_documents, **amounts)
    else:
        _encode(lake, asked, telling)


def _encode(lake: Lake, asked: Mapping[str, Any], telling: Telling) -> None:
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


def main(uri: str, job_id: str) -> int:
    """Run the job of this id; 0 when it is done."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    be_later(NICENESS, FIRST_TO_GO)
    Thread(target=_end_with_the_server, daemon=True).start()
    lake = Lake(uri)
    job = JobLog(lake).open(job_id)
    with Telling(lake, job) as telling:
        try:
            run(lake, job, telling)
        except KeyboardInterrupt:
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
