"""The versions of packages: `python -m benchmarks.peers.versions NAME…` prints them as JSON.

A package that is not installed is left out.
"""

import sys
from collections.abc import Iterable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from benchmarks.common.measure import print_result


def versions(packages: Iterable[str]) -> dict[str, str]:
    """The packages that are installed, and of which version."""
    found = {}
    for package in packages:
        with suppress(PackageNotFoundError):
            found[package] = version(package)
    return found


if __name__ == "__main__":
    print_result(**versions(sys.argv[1:]))
