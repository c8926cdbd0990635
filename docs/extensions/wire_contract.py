"""The methods of the wire contract, made of the comments in lake.proto."""

import re
from collections.abc import Iterator
from importlib.resources import files
from typing import Any

from placeholders import replaces
from sphinx.application import Sphinx

RPC = re.compile(
    r"((?:  //[^\n]*\n)+)  rpc (\w+)\((?:stream )?(\w+)\) returns \((stream \w+|\w+)\)"
)
SERVICE = re.compile(r"^service (\w+) \{(.*?)^\}", re.MULTILINE | re.DOTALL)


def setup(app: Sphinx) -> dict[str, Any]:
    """Give `<!-- methods -->`, `<!-- changes -->` and `<!-- lake.proto -->` their meaning."""
    replaces(app, "lake.proto", lambda: f"```protobuf\n{contract()}```")
    replaces(app, "changes", lambda: "\n".join(changes()))
    return replaces(app, "methods", lambda: "\n".join(methods()))


def contract() -> str:
    """The text of the contract, as it is installed."""
    return (files("saelake.proto.v1") / "lake.proto").read_text()


def methods() -> Iterator[str]:
    """A table of the questions: what is sent, and what the comment says of the answer."""
    yield "| method | message | answer |\n|---|---|---|"
    for said, method, message, _ in _rows("Lake"):
        yield f"| `{method}` | `{message}` | {said} |"


def changes() -> Iterator[str]:
    """A table of the commands: what is sent, what comes back, and what the comment says."""
    yield "| method | message | report | what it does |\n|---|---|---|---|"
    for said, method, message, report in _rows("Changes"):
        yield f"| `{method}` | `{message}` | `{report}` | {said} |"


def _rows(service: str) -> Iterator[tuple[str, str, str, str]]:
    """The comment of each method of a service, its name, and its messages."""
    bodies = dict(SERVICE.findall(contract()))
    for comment, method, message, report in RPC.findall(bodies[service]):
        said = " ".join(line.strip().removeprefix("//").strip() for line in comment.splitlines())
        yield said, method, message, report
