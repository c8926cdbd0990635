"""Numbers as a page shows them."""


def count(n: int | None) -> str:
    """A count, with commas; nothing for None."""
    return "" if n is None else f"{n:,}"


def number(value: float | None) -> str:
    """A value to three digits; nothing for None."""
    return "" if value is None else f"{value:.3g}"


def percent(share: float | None) -> str:
    """A share as a percentage, of small ones enough digits to tell them from none."""
    if share is None:
        return ""
    return f"{share:.2%}" if share >= 1e-3 or share == 0 else f"{100 * share:.2g}%"
