"""Names that others chose, as they may be shown and logged."""

LONGEST = 100


def shown_name(name: str) -> str:
    """The name without what commands a terminal or turns the order of writing, and not too long."""
    kept = "".join(letter if letter.isprintable() else "?" for letter in name[:LONGEST])
    return kept.strip() or "nameless"
