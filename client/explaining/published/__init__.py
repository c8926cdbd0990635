"""Prompts as their projects published them, word for word: one file of JSON for each.

All are of delphi (EleutherAI, Apache License 2.0); those of `simulation` came to it from OpenAI's
automated-interpretability (MIT License).
"""

import json
from functools import cache
from importlib.resources import files
from typing import Any

from saelake.language.prompts import Message


@cache
def published(name: str) -> dict[str, Any]:
    """The texts of a prompt, by what they are."""
    found: dict[str, Any] = json.loads(files(__name__).joinpath(f"{name}.json").read_text("utf-8"))
    return found


def said(system: str, shots: list[list[str]], question: str) -> tuple[Message, ...]:
    """The messages of a prompt: the task, what others asked and were answered, and the question."""
    turns = [
        message
        for asked, answered in shots
        for message in (
            Message(role="user", content=asked),
            Message(role="assistant", content=answered),
        )
    ]
    end = Message(role="user", content=question)
    return (Message(role="system", content=system), *turns, end)
