"""Pages with a placeholder, which is replaced by what is made of the program as it is."""

from collections.abc import Callable
from typing import Any

from sphinx.application import Sphinx


def replaces(app: Sphinx, placeholder: str, made: Callable[[], str]) -> dict[str, Any]:
    """Let `<!-- placeholder -->` in a page mean what `made` makes, in Markdown."""
    mark = f"<!-- {placeholder} -->"

    def replace(_app: Sphinx, _page: str, source: list[str]) -> None:
        if mark in source[0]:
            source[0] = source[0].replace(mark, made())

    app.connect("source-read", replace)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
