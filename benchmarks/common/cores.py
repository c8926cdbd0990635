"""Keeping processes to some of the machine's cores."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def kept_to(n_cores: int, processes: Sequence[int]) -> Iterator[None]:
    """All threads that these processes have now run on the same few cores, within the block."""
    before = sorted(os.sched_getaffinity(0))
    _keep(processes, before[:n_cores])
    try:
        yield
    finally:
        _keep(processes, before)


@contextmanager
def starting_on(cores: Sequence[int]) -> Iterator[None]:
    """Processes that this thread starts within the block run on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _keep(processes: Sequence[int], cores: Sequence[int]) -> None:
    for process in processes:
        for task in Path(f"/proc/{process}/task").iterdir():
            os.sched_setaffinity(int(task.name), cores)
