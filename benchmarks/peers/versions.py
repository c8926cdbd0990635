"""The versions of packages: `python -m benchmarks.peers.versions NAME…` prints them as JSON."""

import sys
from importlib.metadata import version

from benchmarks.common.measure import print_result

if __name__ == "__main__":
    print_result(**{name: version(name) for name in sys.argv[1:]})
