"""Begins a process that computes, in the background of its machine before it does anything else.

`python -m saelake.store.service.lanes.start` is started by `child.py`. For the processors it is in
line behind who serves and before jobs; when memory runs out it goes before the one, and after the
others.
"""

import os
import signal
from contextlib import suppress
from pathlib import Path

NICENESS = 10
OOM_SCORE = Path("/proc/self/oom_score_adj")
EARLY_TO_GO = "800"  # of 1000


def main() -> None:
    """Work, over the pipes that this process was started with; what others print is logged."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the serving process, which drains
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICENESS)
    with suppress(OSError):
        OOM_SCORE.write_text(EARLY_TO_GO)
    orders, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    from saelake.store.service.lanes.work import Work  # takes seconds

    with suppress(BrokenPipeError, EOFError):
        Work(orders, answers).run()


if __name__ == "__main__":
    main()
