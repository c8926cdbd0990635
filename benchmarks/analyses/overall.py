"""Questions about a whole collection, each in a fresh process: how long, in how much memory."""

import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.analyses.peer import Reply
from benchmarks.analyses.rows import Array
from benchmarks.analyses.trial import OWN, ROWS, Trial
from benchmarks.common.report import Cell, Table

Command = Sequence[str]
Answer = Mapping[str, Array]

OUT = "OUT"  # in a command, where the answer goes
FEATURE_BYTES, VALUE_BYTES = 4, 8  # a feature's number; with its value
SAME_SHARE = 1e-6  # the peer's frequencies are float32
SAME_NPMI = 1e-4  # the peer smooths counts by 1e-10, saelake probabilities
TIMES_NOTE = (
    "First s: in a new process, from opening the lake (peers: from the rows as NumPy files) to the "
    "answer. Again s: the same question in the same process. Peak MiB: of the process until the "
    "first answer; above imports, what of it came after them. The floor is that of again s. "
)
DIFF_NOTE = f"{TIMES_NOTE}MB to move: the 4-byte numbers of all features of the documents."
NPMI_NOTE = f"{DIFF_NOTE} Counting their pairs is far more work than that."
CLUSTERS_NOTE = f"{TIMES_NOTE}MB to move: the 4-byte numbers and 4-byte values of all features."


def diff_table(trial: Trial) -> Table:
    """Two halves of the documents; everyone's frequencies must be the same."""
    commands = {"saelake": _own(trial, "diff", *trial.subject.halves)}
    if trial.conditions.peers_python:
        python = str(trial.conditions.peers_python)
        commands["interp_embed"] = _peer(trial, python, "interp_embed_diff")
    with TemporaryDirectory(dir=trial.folder) as out:
        results = rounds(trial, commands, Path(out))
        own, *others = (_answer(Path(out), name) for name in commands)
    for other in others:
        check_same(own, other, keys=("feature",), values=("a", "b"), tolerance=SAME_SHARE)
    title = f"{trial.title}: diff of two halves, all features"
    return _table(title, results, trial, FEATURE_BYTES, DIFF_NOTE)


def npmi_table(trial: Trial) -> Table:
    """All pairs of features, which must be the same for both; and the strongest pairs alone."""
    every = {
        "saelake, all pairs": _own(trial, "npmi"),
        "SciPy, all pairs": _peer(trial, sys.executable, "scipy_npmi"),
    }
    with TemporaryDirectory(dir=trial.folder) as out:
        commands = every | {"saelake, the 50 strongest": _own(trial, "strongest")}
        results = rounds(trial, commands, Path(out))
        own, other = (_answer(Path(out), name) for name in every)
    check_same(own, other, keys=("b", "a"), values=("npmi",), tolerance=SAME_NPMI)
    title = f"{trial.title}: NPMI of pairs of features"
    return _table(title, results, trial, FEATURE_BYTES, NPMI_NOTE)


def clusters_table(trial: Trial) -> Table:
    """Eight clusters, by saelake only."""
    with TemporaryDirectory(dir=trial.folder) as out:
        results = rounds(trial, {"saelake": _own(trial, "clusters")}, Path(out))
    return _table(f"{trial.title}: 8 clusters", results, trial, VALUE_BYTES, CLUSTERS_NOTE)


def rounds(trial: Trial, commands: Mapping[str, Command], out: Path) -> Mapping[str, list[Reply]]:
    """Everyone in turns, as often as the conditions say; the answers are files in `out`."""
    results: dict[str, list[Reply]] = {name: [] for name in commands}
    for _ in range(trial.conditions.rounds):
        for name, command in commands.items():
            path = str(_path(out, name))
            results[name].append(trial.fresh([path if word == OUT else word for word in command]))
    return results


def check_same(
    own: Answer, other: Answer, *, keys: Sequence[str], values: Sequence[str], tolerance: float
) -> None:
    """Raise `AssertionError` unless both have the same keys, with the same values."""
    orders = [np.lexsort([answer[key] for key in keys]) for answer in (own, other)]
    for name in (*keys, *values):
        mine, theirs = (
            answer[name][order] for answer, order in zip((own, other), orders, strict=True)
        )
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=tolerance, err_msg=name)


def _own(trial: Trial, name: str, *halves: str) -> Command:
    return (*OWN, name, trial.subject.uri, trial.subject.name, OUT, *halves)


def _peer(trial: Trial, python: str, module: str) -> Command:
    return (python, "-m", f"benchmarks.peers.{module}", str(trial.folder / ROWS), OUT)


def _path(out: Path, name: str) -> Path:
    return out / f"{name}.npz"


def _answer(out: Path, name: str) -> Answer:
    with np.load(_path(out, name)) as stored:
        return {column: stored[column] for column in stored.files}


def _table(
    title: str, results: Mapping[str, list[Reply]], trial: Trial, value_bytes: int, note: str
) -> Table:
    """Medians over the rounds."""
    least = value_bytes * len(trial.rows.features)
    rows = [_row(name, replies, trial, least) for name, replies in results.items()]
    return Table(title=title, rows=rows, note=note)


def _row(name: str, replies: list[Reply], trial: Trial, least: int) -> Mapping[str, Cell]:
    def median(field: str) -> float:
        return statistics.median(float(reply[field]) for reply in replies)

    again = median("again_seconds")
    return {
        "": name,
        "first s": median("seconds"),
        "CPU s": median("cpu_seconds"),
        "again s": again,
        "peak MiB": median("peak_bytes") / 2**20,
        "above imports": median("grown_bytes") / 2**20,
        **trial.conditions.bandwidth.cells(least, again),
    }
