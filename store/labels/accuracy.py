"""The accuracy of what a judge said, as delphi's files have it."""

from collections.abc import Sequence

from saelake.store.format.shares import Share, of_two, wilson


def share(n_so: int, n: int) -> Share:
    """The share of `n_so` in `n`."""
    return wilson(n_so / n, n)


def balanced(truths: Sequence[bool], said: Sequence[bool]) -> Share | None:
    """The mean of two shares: of the true found, and of the others left; None without both."""
    n_1 = sum(truths)
    n_0 = len(truths) - n_1
    if not n_1 or not n_0:
        return None
    found = share(sum(t and s for t, s in zip(truths, said, strict=True)), n_1)
    left = share(sum(not t and not s for t, s in zip(truths, said, strict=True)), n_0)
    return of_two(lambda a, b: (a + b) / 2, found, left)
