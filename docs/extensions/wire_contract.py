"""The methods of the wire contract, made of the comments in lake.proto."""

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from placeholders import replaces
from sphinx.application import Sphinx

RPC = re.compile(r"((?:  //[^\n]*\n)+)  rpc (\w+)\((\w+)\)")


def setup(app: Sphinx) -> dict[str, Any]:
    """Give `<!-- methods -->` and `<!-- lake.proto -->` their meaning."""
    replaces(app, "lake.proto", lambda: f"```protobuf\n{contract()}```")
    return replaces(app, "methods", lambda: "\n".join(methods()))


def contract() -> str:
    """The text of the contract, as it is installed."""
    return (files("saelake.proto.v1") / "lake.proto").read_text()


def methods() -> Iterator[str]:
    """A table of the methods: what is sent, and what the comment says of the answer."""
    yield "| method | message | answer |\n|---|---|---|"
    for comment, method, message in RPC.findall(contract()):
        said = " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        yield f"| `{method}` | `{message}` | {said} |"
