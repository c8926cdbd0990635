"""What an install takes: seconds, bytes and packages; and that the least of them asks a server.

`python -m benchmarks install` builds the wheel and installs it with pip into new environments, from
wherever pip is set to look. What a new environment has by itself is not counted. The client's lines
are asked of a server in this environment.
"""

import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from benchmarks.common.measure import elapsed_s, size_bytes
from benchmarks.common.places import ROOT
from benchmarks.common.report import Cell, Table, publish
from benchmarks.common.synthetic import NAME, lake_at
from benchmarks.query.server import running

CLIENT = ""  # no extras
INSTALLS = ("[web]", "[store]")
MB = 1e6
FIVE_LINES = """
import sys, saelake
collection = saelake.connect(sys.argv[1])[sys.argv[2]]
feature = collection.features(k=1)[0].feature
hits = collection.tokens(feature, k=3)
print(f"feature {feature} fires most strongly in document {hits[0].id}")
"""


def main(
    documents: Annotated[int, typer.Option(help="of the lake that the client asks")] = 2000,
    extras: Annotated[
        list[str] | None, typer.Option(help="as [store]; repeat it, in place of a few")
    ] = None,
) -> None:
    """Install, and ask."""
    with tempfile.TemporaryDirectory(prefix="saelake-") as folder:
        wheel = built(Path(folder))
        rows = [
            measured(wheel, Path(folder) / (each or "client"), each)
            for each in (CLIENT, *(extras or INSTALLS))
        ]
        with lake_at(None, documents, 50) as lake, running(str(lake)) as target:
            said = asked(Path(folder) / "client", target)
        note = (
            f"The wheel has {wheel.stat().st_size / 1e3:,.0f} kB, server and workers too. MB are "
            "what pip wrote. The client, in five lines, of a server: "
            f"{said}."
        )
    table = Table(title="pip install saelake, with extras", rows=rows, note=note)
    publish("install", [table], facts={})


def built(folder: Path) -> Path:
    """The wheel of this checkout."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder)]
    subprocess.run([*command, str(ROOT)], check=True)
    (wheel,) = folder.glob("saelake-*.whl")
    return wheel


def measured(wheel: Path, place: Path, extras: str) -> Mapping[str, Cell]:
    """An install into a new environment."""
    venv.create(place, with_pip=True)
    before = size_bytes(place)
    command = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", f"{wheel}{extras}"]
    seconds = elapsed_s(lambda: subprocess.run(command, check=True))
    return {
        "extras": extras.strip("[]") or "none",
        "seconds": seconds,
        "MB": (size_bytes(place) - before) / MB,
        "packages": len(list(place.glob("lib/python*/site-packages/*.dist-info"))) - 1,  # but pip
    }


def asked(place: Path, target: str) -> str:
    """What the five lines print, by a client that has nothing but them."""
    command = [str(place / "bin" / "python"), "-c", FIVE_LINES, target, str(NAME)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, cwd=place)
    said: str = done.stdout.strip()
    return said
