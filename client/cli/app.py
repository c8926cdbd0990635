"""The command `saelake`: what it is called, what it answers to, and how it fails."""

import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from saelake import __version__
from saelake.cli import ask, build, demo, serve
from saelake.cli.screen import complain
from saelake.store.errors import InvalidInput, SaelakeError

FAILED, WRONG_USE, INTERRUPTED = 1, 2, 130


class Commands(TyperGroup):
    """The commands; an error of any becomes one line and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except SaelakeError as error:
            if ctx.params.get("debug"):
                traceback.print_exc()
            complain(error.message)
            raise typer.Exit(WRONG_USE if isinstance(error, InvalidInput) else FAILED) from None
        except KeyboardInterrupt:
            complain("Interrupted. What was committed is kept; the same command continues.")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:  # whoever read the answer has seen enough
            sys.stderr.close()
            raise typer.Exit(0) from None


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
ask.add_to(app)
serve.add_to(app)


def main() -> None:
    """Run the command line."""
    app(prog_name="saelake")
