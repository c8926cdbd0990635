"""What longer works are called on a terminal, and what they count."""

from collections.abc import Mapping

TITLES: Mapping[str, tuple[str, str]] = {
    "import": ("Importing", "rows"),
    "import-codes": ("Importing", "rows or documents"),
    "encode": ("Encoding", "documents"),
    "index": ("Indexing", "documents"),
    "embed": ("Embedding", "documents"),
    "label": ("Labelling", "features"),
    "project": ("Projecting", "points"),
}
UNKNOWN = ("At work", "documents")  # of a kind that a newer server has


def doing(kind: str) -> str:
    """What is being done, as the beginning of a sentence."""
    return TITLES.get(kind, UNKNOWN)[0]


def unit_of(kind: str) -> str:
    """What is counted, in the plural."""
    return TITLES.get(kind, UNKNOWN)[1]
