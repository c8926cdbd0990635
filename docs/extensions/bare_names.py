"""What docstrings write in back-ticks: code, and a link where it is the name of a class."""

import re
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxRole

CLASS = re.compile(r"[A-Z]\w+(\.\w+)?")


class Named(SphinxRole):
    """The role of plain back-ticks; a class is found by its last name, wherever it is."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """The text as code, which a class's page may be linked to."""
        code = nodes.literal(self.rawtext, self.text)
        if not CLASS.fullmatch(self.text):
            return [code], []
        link = pending_xref(
            self.rawtext,
            code,
            refdomain="py",
            reftype="obj",
            reftarget=self.text,
            refspecific=True,
            refdoc=self.env.docname,
        )
        return [link], []


def setup(app: Sphinx) -> dict[str, Any]:
    """Give `named` its meaning."""
    app.add_role("named", Named())
    return {"parallel_read_safe": True, "parallel_write_safe": True}
