"""Tokens of a text, and what fires on them, as people read them."""

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from saelake.answers.encoded import EncodedToken, EncodedTokens
from saelake.answers.text import named, one_line


def tokens(found: EncodedTokens) -> RenderableType:
    """A line for each token that something fires on, and its features below each other."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("token", no_wrap=True)
    for name in ("feature", "value"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("label", ratio=1)
    several = len(found.texts) > 1
    for token in found:
        _add(table, token, several)
    return table if len(found) else Text("The text has no tokens.")


def _add(table: Table, token: EncodedToken, several: bool) -> None:
    """The lines of a token; of several texts it says which one the token is of."""
    name = Text(one_line(token.token))
    if several:
        name = Text.assemble((f"{token.text}: ", "dim"), name)
    if not token.features:
        table.add_row(name, "", "", Text("nothing fires", style="dim"))
    for fired in token.features:
        label = Text(one_line(fired.label or ""), style="dim")
        table.add_row(name, str(named(fired.feature, fired.pole)), f"{fired.value:.4g}", label)
        name = Text("")
