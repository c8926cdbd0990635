"""One step of codes from elsewhere in a fresh process, and its largest resident memory.

`python -m benchmarks.growth.outside_runs STEP LAKE FILE`. STEP is import, again, index or export.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import saelake
from benchmarks.common.measure import Stretch, print_result
from saelake.workers.outside.importing import import_codes  # so that the imports are not counted

COLLECTION = "corpus/elsewhere"
LOADED = import_codes


def importing(lake: saelake.Lake, file: Path) -> None:
    lake.import_codes(file, COLLECTION)


def indexing(lake: saelake.Lake, _: Path) -> None:
    lake.index(COLLECTION)


def exporting(lake: saelake.Lake, file: Path) -> None:
    lake[COLLECTION].export_vectors(file)


STEPS: dict[str, Callable[[saelake.Lake, Path], None]] = {
    "import": importing,
    "again": importing,
    "index": indexing,
    "export": exporting,
}


if __name__ == "__main__":
    step, lake, file = sys.argv[1:]
    opened = saelake.connect(lake)
    stretch = Stretch()
    STEPS[step](opened, Path(file))
    print_result(**stretch.stop())
