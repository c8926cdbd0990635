"""Processes that a server begins: where they find modules, their pipes, their place in line, their
end.
"""

import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

OOM_SCORE = Path("/proc/self/oom_score_adj")


def environment() -> Mapping[str, str]:
    """What a process is begun with that finds its modules where this one does."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def ending(code: int) -> str:
    """How a process ended, in words."""
    if code >= 0:
        return f"exit code {code}"
    name = signal.Signals(-code).name
    return f"{name}, as when memory runs out" if name == "SIGKILL" else name


def be_later(niceness: int, oom_score: int) -> None:
    """Let others have processors and memory first: of 1000 the highest score goes first."""
    if hasattr(os, "nice"):
        os.nice(niceness)
    with suppress(OSError):
        OOM_SCORE.write_text(str(oom_score))


def own_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The input and output that this process was begun with; what others print is logged."""
    orders, news = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    return orders, news
