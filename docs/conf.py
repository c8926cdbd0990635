"""How Sphinx builds the guide and the reference: `make docs` writes them into site/."""

import logging
import sys
from pathlib import Path

import saelake

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

logging.getLogger("faiss").setLevel(logging.WARNING)  # else it says that it was loaded

project = "saelake"
author = "the saelake authors"
copyright = author  # noqa: A001  # what Sphinx calls it
version = release = saelake.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "bare_names",
    "command_line",
    "hook_points",
    "outward_links",
    "public_types",
    "questions",
    "wire_contract",
]
suppress_warnings = ["myst.header"]  # the tables of examples/ begin a level deeper
exclude_patterns = ["extensions"]
nitpicky = False  # types of numpy, pyarrow and torch are named, and not linked: no network
default_role = "named"  # docstrings write `names` as Markdown does

myst_enable_extensions = ["deflist"]
myst_heading_anchors = 3

add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 60
toc_object_entries_show_parents = "hide"

html_theme = "furo"
html_title = f"saelake {version}"
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
