"""Begins a process that computes, in the background of its machine before it does anything else.

`python -m saelake.store.service.lanes.start` is started by `child.py`. For the processors it is in
line behind who serves and before jobs; when memory runs out it goes before the one, and after the
others.
"""

import signal
from contextlib import suppress

from saelake.store.service.begun import be_later, own_pipes

NICENESS = 10
EARLY_TO_GO = 800


def main() -> None:
    """Work, over the pipes that this process was started with; what others print is logged."""
    for number in (signal.SIGINT, signal.SIGTERM):  # meant for the serving process, which drains
        signal.signal(number, signal.SIG_IGN)
    be_later(NICENESS, EARLY_TO_GO)
    orders, answers = own_pipes()
    from saelake.store.service.lanes.work import Work  # takes seconds

    with suppress(BrokenPipeError, EOFError):
        Work(orders, answers).run()


if __name__ == "__main__":
    main()
