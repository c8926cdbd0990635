"""The command line as tests run it: in this process, which is fast, or in one of its own."""

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from typing import Any

from saelake.cli.app import main

PROGRAM = [sys.executable, "-m", "saelake"]


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it wrote."""

    code: int
    raw: bytes
    err: str

    @property
    def out(self) -> str:
        return self.raw.decode()


def run(*arguments: str) -> Ran:
    """The command, run in this process, with nothing of a terminal."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with redirect_stdout(out), redirect_stderr(err):
        code = _exit_code(arguments)
        out.flush()
        err.flush()
    return Ran(code, out.buffer.getvalue(), err.buffer.getvalue().decode())


def _exit_code(arguments: tuple[str, ...]) -> int:
    try:
        main(arguments)
    except SystemExit as ended:
        return int(ended.code or 0)
    return 0


def asked(*arguments: str) -> str:
    """What a command prints that ends well and says nothing beside its answer."""
    ran = run(*arguments)
    assert (ran.code, ran.err) == (0, "")
    return ran.out


def program(*arguments: str, typed: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, run in a process of its own; what is `typed` comes by a pipe."""
    return subprocess.run(
        [*PROGRAM, *arguments],
        input=typed,
        capture_output=True,
        text=True,
        env=environment(**variables),
        check=False,
        timeout=100,
    )


def environment(**variables: str) -> dict[str, Any]:
    """This process's variables, without those that change what saelake prints, and these."""
    ours = ("SAELAKE_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return {**kept, "COLUMNS": "80", **variables}


def on_terminal(
    *arguments: str, columns: int = 80, typed: str = "", **variables: str
) -> tuple[int, str]:
    """How the command ends on a terminal of this width, and all that it shows there."""
    main_end, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    settings = environment(TERM="xterm-256color", **variables)
    del settings["COLUMNS"]
    shown = bytearray()
    with subprocess.Popen(
        [*PROGRAM, *arguments], stdin=terminal, stdout=terminal, stderr=terminal, env=settings
    ) as running:
        os.close(terminal)
        os.write(main_end, typed.encode())
        with suppress(OSError):  # Linux says so at the end
            while piece := os.read(main_end, 65_536):
                shown += piece
    os.close(main_end)
    return running.returncode, shown.decode()
