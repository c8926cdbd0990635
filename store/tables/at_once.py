"""Questions to an object store that wait for no other: all at once, for the time of one."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache

from saelake.store.requests.waited.waiting import wait
from saelake.store.tables.objectstore import is_s3

THREADS = 16


def are_all(uri: str, checks: Sequence[Callable[[], bool]]) -> bool:
    """Whether every check of the lake at `uri` holds; raises what one raises.

    On a disk one after another, until one does not: there each takes less than a thread would.
    """
    if not is_s3(uri):
        return all(check() for check in checks)
    wait()
    return all(_pool().map(_called, checks))


def _called(check: Callable[[], bool]) -> bool:
    return check()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="saelake-ask")
