"""Numbers as a page shows them."""

SIZES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


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


def size(n_bytes: int | None) -> str:
    """Bytes in the largest unit that leaves at least one."""
    if n_bytes is None:
        return ""
    value, unit = float(n_bytes), 0
    while value >= 1024 and unit < len(SIZES) - 1:
        value, unit = value / 1024, unit + 1
    return (
        f"{value:.0f} {SIZES[unit]}" if unit == 0 or value >= 100 else f"{value:.1f} {SIZES[unit]}"
    )
