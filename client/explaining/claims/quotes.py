"""Whether what a judge quotes stands in a text, and where."""

from saelake.language.fences import BROKEN


def found_quote(quote: str, text: str) -> str | None:
    """The passage of the text that is quoted, as it stands there; None where it does not.

    Runs of white space are alike, and the character by which signs of chat templates are broken is
    not read.
    """
    said, _ = _plain(quote)
    whole, places = _plain(text)
    at = whole.find(said) if said else -1
    return None if at < 0 else text[places[at] : places[at + len(said) - 1] + 1]


def _plain(text: str) -> tuple[str, list[int]]:
    """The text with single spaces, and where each of its characters is from."""
    kept: list[tuple[str, int]] = []
    for at, char in enumerate(text):
        if char == BROKEN:
            continue
        char = " " if char.isspace() else char
        if char != " " or (kept and kept[-1][0] != " "):
            kept.append((char, at))
    if kept and kept[-1][0] == " ":
        kept.pop()
    return "".join(char for char, _ in kept), [at for _, at in kept]
