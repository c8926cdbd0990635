"""The reference of the questions, made of what each declares of itself."""

import inspect
from collections.abc import Iterator
from typing import Any

from placeholders import replaces
from sphinx.application import Sphinx

from saelake.store.requests.request import Request
from saelake.store.wire.requests import METHODS

COSTS = {
    "quick": "Quick questions\n\nThey read little. The timeout of a client bounds them.",
    "analysis": "Analyses\n\nThey read a whole selection. The server bounds them, not the client.",
    "export": "Exports\n\nThey read everything there is, and the answer may have any size.",
}


def setup(app: Sphinx) -> dict[str, Any]:
    """Give `<!-- each question -->` its meaning."""
    return replaces(app, "each question", lambda: "\n".join(each_question()))


def each_question() -> Iterator[str]:
    """The questions by what they cost."""
    for cost, heading in COSTS.items():
        yield f"\n## {heading}\n"
        for question in METHODS.values():
            if question.cost == cost:
                yield from _described(question)


def _described(question: type[Request]) -> Iterator[str]:
    yield f"\n### {question.question}\n"
    yield _directive(question)
    columns = ", ".join(f"`{name}`" for name in question.answer.names)
    yield f"Columns of the answer: {columns}.\n"


def _directive(described: type[Any]) -> str:
    path = f"{inspect.getmodule(described).__name__}.{described.__name__}"  # type: ignore[union-attr]
    return f"```{{eval-rst}}\n.. autoclass:: {path}\n```\n"
