"""Files of the repository in pages: links that lead to them, and those that are a page's text."""

import os
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
FILE = re.compile(r'<!-- file: (\S+?)(?:, from "([^"]+)" to "([^"]+)")? -->')
LINK = re.compile(r"\[([^\]]+)\]\(((?![a-z]+:)[^)#\s]+)(#[^)]*)?\)")


def setup(app: Sphinx) -> dict[str, Any]:
    """Read every page so."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _read(_app: Sphinx, page: str, source: list[str]) -> None:
    folder = (DOCS / page).parent
    text = rewritten(source[0], folder, folder)
    source[0] = FILE.sub(lambda file: rewritten(_part(file), (ROOT / file[1]).parent, folder), text)


def _part(file: re.Match[str]) -> str:
    """The text of a file, or what of it is from one phrase up to another."""
    text = (ROOT / file[1]).read_text()
    if file[2] is None:
        return text
    begin = text.index(file[2])
    return text[begin : text.index(file[3], begin)]


def rewritten(text: str, written_in: Path, shown_in: Path) -> str:
    """The text, with links as they must be on a page; files that are no page are named only."""

    def link(found: re.Match[str]) -> str:
        target = (written_in / found[2]).resolve()
        if not target.exists():  # which is a warning
            return found[0]
        if target.is_relative_to(DOCS):
            inward = Path(os.path.relpath(target, shown_in)).as_posix()
            return f"[{found[1]}]({inward}{found[3] or ''})"
        path = target.relative_to(ROOT).as_posix()
        return f"`{path}`" if found[1].strip("`/") == path else f"{found[1]} (`{path}`)"

    return LINK.sub(link, text)
