"""What is said of a recall that was measured."""

LEAST_MISSED = 1e-4  # which four digits show


def said(recall: float, n_nearest: int) -> float:
    """The recall of an approximate search, of which so many nearest documents were looked for.

    At most as if one more of them had been missed: 1 is said of exact searches alone.
    """
    return min(recall, 1 - max(1 / max(n_nearest, 2), LEAST_MISSED))
