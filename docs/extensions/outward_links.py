"""Links that leave docs/: on the pages they are the file's path, for the files are not there."""

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
LINK = re.compile(r"\[([^\]]+)\]\((\.\.?/[^)#\s]+)(#[^)]*)?\)")


def setup(app: Sphinx) -> dict[str, Any]:
    """Read every page so."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _read(_app: Sphinx, page: str, source: list[str]) -> None:
    folder = (DOCS / page).parent

    def inward(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        if target.is_relative_to(DOCS) or not target.exists():  # what is missing is a warning
            return link[0]
        path = target.relative_to(DOCS.parent).as_posix()
        return f"`{path}`" if link[1].strip("`") == path else f"{link[1]} (`{path}`)"

    source[0] = LINK.sub(inward, source[0])
