"""The command `saelake`: what it is called, what it answers to, and how it fails."""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from saelake.cli import (
    ask,
    build,
    columns,
    compare,
    encode_text,
    explain,
    find,
    group,
    jobs,
    judge,
    maintain,
    maps,
    mcp,
    naming,
    outside,
    page,
    serve,
    shares,
    token,
    values,
    windows,
)
from saelake.cli.demo import command as demo
from saelake.cli.show.screen import cautions, complain
from saelake.store.errors import InvalidInput, SaelakeError

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130


UsageError: Any = typer.BadParameter.__base__  # of the click that this version of typer uses


class Commands(TyperGroup):
    """The commands; an error of any becomes one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            with cautions():
                return super().invoke(ctx)
        except KeyboardInterrupt:
            complain("Interrupted. What was committed is kept; the same command continues.")
            exec("")  # after an interrupt inside an exec, Python dies by the signal, unless another
            return INTERRUPTED
        except BrokenPipeError:  # whoever read the answer has seen enough
            return 0
        except (SaelakeError, OSError) as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            complain(reason(error))
            return WRONG_USE if isinstance(error, InvalidInput) else FAILED


def reason(error: Exception) -> str:
    """What went wrong, in words; of the system's errors also with which file."""
    if isinstance(error, SaelakeError) or not isinstance(error, OSError) or not error.strerror:
        return str(error)
    file = error.filename2 or error.filename
    return f"{file}: {error.strerror}." if file else f"{error.strerror}."


app = typer.Typer(
    name="saelake",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:  # typer calls it so
    if wanted:
        from saelake import __version__

        print(f"saelake {__version__}")
        raise typer.Exit


@app.callback()
def saelake(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show where an error came from.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """Which tokens fire feature X, over a whole corpus, in milliseconds.

    Begin with `saelake demo`. Then encode a corpus of your own with `saelake ingest`, look at its
    features with `saelake features`, and at where one fires with `saelake tokens`.
    """


demo.add_to(app)
build.add_to(app)
outside.add_to(app)
columns.add_to(app)
jobs.add_to(app)
ask.add_to(app)
encode_text.add_to(app)
find.add_to(app)
compare.add_to(app)
shares.add_to(app)
windows.add_to(app)
values.add_to(app)
group.add_to(app)
maps.add_to(app)
naming.add_to(app)
judge.add_to(app)
explain.add_to(app)
maintain.add_to(app)
serve.add_to(app)
page.add_to(app)
mcp.add_to(app)
token.add_to(app)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, and end with 0 (fine), 1 (failed), 2 (wrong use) or 130 (Ctrl-C)."""
    try:
        code = app(arguments, prog_name="saelake", standalone_mode=False) or 0
    except UsageError as error:
        if message := error.format_message():  # none after the help of `saelake` alone
            command = error.ctx.command_path if error.ctx else "saelake"
            complain(f"{message} (see {command} --help)")
        code = WRONG_USE
    sys.exit(_flush(code))


def _flush(code: int) -> int:
    """Write what is left of the answer, which Python does too late to say that it cannot."""
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else it is tried again
        if code == 0 and not isinstance(error, BrokenPipeError):
            complain(reason(error))
            return FAILED
    return code
