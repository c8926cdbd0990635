"""The ledger: replies that are kept, requests under way, and what each run took, in one file.

A request stands in `attempts` from before it is sent until its reply is kept, it was refused, or
its answer is given up; what it may take is taken from the budget all that time. Each process that
asks holds a lock, which ends with it: attempts of one that was killed are given up by the next.
"""

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saelake.language.amounts import Amount, Budget, Spending
from saelake.language.estimates import MeasuredTokens
from saelake.language.holders import Holder, has_ended
from saelake.language.replies import Reply
from saelake.store.errors import InvalidInput

FILE = "replies.sqlite"
VERSION = 1
WAIT_S = 60.0  # for another process's transaction, which takes milliseconds
TABLES = """
CREATE TABLE IF NOT EXISTS replies (
  server TEXT, model TEXT, prompt TEXT, run TEXT, at REAL, reply TEXT NOT NULL,
  PRIMARY KEY (server, model, prompt)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, holder TEXT, run TEXT, server TEXT, model TEXT, prompt TEXT,
  n_tokens INTEGER, pico INTEGER);
CREATE INDEX IF NOT EXISTS attempts_of_runs ON attempts (run);
CREATE TABLE IF NOT EXISTS runs (
  run TEXT PRIMARY KEY, n_requests INTEGER, n_prompt_tokens INTEGER, n_completion_tokens INTEGER,
  pico INTEGER, n_lost INTEGER, lost_tokens INTEGER, lost_pico INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS measured (
  server TEXT, model TEXT, n_replies INTEGER, n_characters INTEGER, n_prompt_tokens INTEGER,
  n_completion_tokens INTEGER, PRIMARY KEY (server, model)) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptAsked:
    """What is asked of whom: the name of a reply."""

    server: str
    model: str
    prompt: str

    @property
    def row(self) -> tuple[str, str, str]:
        """As the tables have it."""
        return self.server, self.model, self.prompt


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """A request that may be sent: its attempt."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OverBudget:
    """A request that may not be sent: `for_now`, if it may once those under way took less."""

    for_now: bool


class AskedElsewhere:
    """A request that another process has under way."""


Taken = Reply | Reserved | OverBudget | AskedElsewhere


class Ledger:
    """An open ledger, for the thread that opened it. Each method is a part of a `transaction`."""

    def __init__(self, folder: Path, holder: Holder) -> None:
        self._folder, self._holder = folder, holder
        self._db = _opened(folder / FILE)
        self._is_lasting: bool | None = None

    @contextmanager
    def transaction(self, *, is_lasting: bool) -> Iterator[None]:
        """A block that happens as a whole or not; a lasting one outlives the machine's power."""
        if is_lasting != self._is_lasting:
            self._db.execute(f"PRAGMA synchronous={'FULL' if is_lasting else 'NORMAL'}")
            self._is_lasting = is_lasting
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def reply(self, asked: PromptAsked) -> Reply | None:
        """The reply that is kept."""
        row = self._one(
            "SELECT reply FROM replies WHERE server=? AND model=? AND prompt=?", *asked.row
        )
        return None if row is None else Reply.of_json(json.loads(row[0]), is_cached=True)

    def take(self, asked: PromptAsked, run: str, most: Amount, budget: Budget) -> Taken:
        """The reply that is kept, or else leave to ask for it."""
        kept = self.reply(asked)
        if kept is not None:
            return kept
        self._give_up_ended()
        if self._is_asked_elsewhere(asked):
            return AskedElsewhere()
        return self.reserve(asked, run, most, budget)

    def reserve(
        self, asked: PromptAsked, run: str, most: Amount, budget: Budget
    ) -> Reserved | OverBudget:
        """Leave to send a request that takes so much at most, if the budget holds it too."""
        if not budget.holds(self.spent(run).at_most + self._under_way(run) + most):
            self._give_up_ended()
            return OverBudget(for_now=budget.holds(self.spent(run).at_most + most))
        made = self._db.execute(
            "INSERT INTO attempts (holder, run, server, model, prompt, n_tokens, pico) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (self._holder.name, run, *asked.row, most.n_tokens, most.pico),
        )
        return Reserved(attempt=int(made.lastrowid or 0))

    def settle(
        self,
        attempt: int,
        asked: PromptAsked,
        run: str,
        reply: Reply,
        taken: Amount,
        n_characters: int,
    ) -> None:
        """Keep the reply of an attempt, and count what it took."""
        self._db.execute(
            "INSERT OR IGNORE INTO replies VALUES (?, ?, ?, ?, ?, ?)",
            (*asked.row, run, time.time(), json.dumps(reply.as_json())),
        )
        used = {
            "n_prompt_tokens": reply.n_prompt_tokens,
            "n_completion_tokens": reply.n_completion_tokens,
        }
        self._add("runs", {"run": run}, {"n_requests": 1, **used, "pico": taken.pico})
        if reply.is_counted:
            whose = {"server": asked.server, "model": asked.model}
            self._add("measured", whose, {"n_replies": 1, "n_characters": n_characters, **used})
        self.free(attempt)

    def free(self, attempt: int) -> None:
        """Forget an attempt that took nothing: it was refused, or never sent."""
        self._db.execute("DELETE FROM attempts WHERE id=?", (attempt,))

    def give_up(self, attempt: int) -> None:
        """Count an attempt whose answer never came, at the most that it can have taken."""
        row = self._one("SELECT run, n_tokens, pico FROM attempts WHERE id=?", attempt)
        if row is not None:
            run, n_tokens, pico = row
            lost = {"n_lost": 1, "lost_tokens": n_tokens, "lost_pico": pico}
            self._add("runs", {"run": run}, lost)
            self.free(attempt)

    def spent(self, run: str) -> Spending:
        """What a run took, without what is under way."""
        row = self._one(
            "SELECT n_requests, n_prompt_tokens, n_completion_tokens, pico, n_lost, lost_tokens, "
            "lost_pico FROM runs WHERE run=?",
            run,
        )
        if row is None:
            return Spending()
        n_requests, n_prompt, n_completion, pico, n_lost, lost_tokens, lost_pico = row
        return Spending(
            n_requests=n_requests,
            n_prompt_tokens=n_prompt,
            n_completion_tokens=n_completion,
            pico=pico,
            n_lost=n_lost,
            lost=Amount(n_tokens=lost_tokens, pico=lost_pico),
        )

    def measured(self, server: str, model: str) -> MeasuredTokens:
        """What the replies of a model took."""
        row = self._one(
            "SELECT n_replies, n_characters, n_prompt_tokens, n_completion_tokens FROM measured "
            "WHERE server=? AND model=?",
            server,
            model,
        )
        names = ("n_replies", "n_characters", "n_prompt_tokens", "n_completion_tokens")
        return (
            MeasuredTokens()
            if row is None
            else MeasuredTokens(**dict(zip(names, row, strict=True)))
        )

    def _under_way(self, run: str) -> Amount:
        sums = "SELECT coalesce(sum(n_tokens), 0), coalesce(sum(pico), 0) FROM attempts WHERE run=?"
        n_tokens, pico = self._db.execute(sums, (run,)).fetchone()
        return Amount(n_tokens=n_tokens, pico=pico)

    def _is_asked_elsewhere(self, asked: PromptAsked) -> bool:
        row = self._one(
            "SELECT 1 FROM attempts WHERE holder<>? AND server=? AND model=? AND prompt=?",
            self._holder.name,
            *asked.row,
        )
        return row is not None

    def _give_up_ended(self) -> None:
        others = self._db.execute(
            "SELECT DISTINCT holder FROM attempts WHERE holder<>?", (self._holder.name,)
        ).fetchall()
        for (holder,) in others:
            if has_ended(self._folder, holder):
                for (attempt,) in self._db.execute(
                    "SELECT id FROM attempts WHERE holder=?", (holder,)
                ).fetchall():
                    self.give_up(attempt)

    def _add(self, table: str, whose: Mapping[str, str], counts: Mapping[str, int]) -> None:
        """Add to the counts of a row, which is made of zeros where there is none."""
        zeros = _COUNTS[table]
        names = ", ".join((*whose, *zeros))
        marks = ", ".join("?" * (len(whose) + len(zeros)))
        self._db.execute(
            f"INSERT OR IGNORE INTO {table} ({names}) VALUES ({marks})",
            (*whose.values(), *(0 for _ in zeros)),
        )
        adds = ", ".join(f"{name}={name}+?" for name in counts)
        where = " AND ".join(f"{name}=?" for name in whose)
        self._db.execute(
            f"UPDATE {table} SET {adds} WHERE {where}", (*counts.values(), *whose.values())
        )

    def _one(self, sql: str, *values: Any) -> Any:
        return self._db.execute(sql, values).fetchone()


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=WAIT_S, isolation_level=None)
    try:
        _prepare(db, path)
    except BaseException:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection, path: Path) -> None:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise InvalidInput(f"Another saelake made {path}: name another folder.")
    _write_ahead(db)
    db.executescript(f"BEGIN IMMEDIATE; {TABLES} PRAGMA user_version={VERSION}; COMMIT;")


def _write_ahead(db: sqlite3.Connection) -> None:
    """Let readers and a writer go on beside each other.

    SQLite's own time to wait is not for this step, which two processes may take at once.
    """
    until = time.monotonic() + WAIT_S
    while True:
        try:
            db.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


_COUNTS: Mapping[str, tuple[str, ...]] = {
    "runs": (
        "n_requests",
        "n_prompt_tokens",
        "n_completion_tokens",
        "pico",
        "n_lost",
        "lost_tokens",
        "lost_pico",
    ),
    "measured": ("n_replies", "n_characters", "n_prompt_tokens", "n_completion_tokens"),
}
