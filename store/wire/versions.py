"""Which contract this program speaks."""

from importlib.metadata import PackageNotFoundError, version

# 1 had neither states nor versions, 2 no progress and no scores of labels, 3 no repair and no jobs
# but those that encode and index.
WIRE = 4
FEATURES = ("at", "retry-info", "progress")  # what it knows beside methods


def own_version() -> str:
    """The version of this program."""
    try:
        return version("saelake")
    except PackageNotFoundError:  # as files that were copied
        return "unknown"
