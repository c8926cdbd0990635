"""Contestants take turns, so that the machine's bad moments fall on everyone alike."""

from collections.abc import Sequence
from typing import TypeVar

TURN = 10  # questions that one answers before it is the next one's turn

Contestant = TypeVar("Contestant")


def in_turn(contestants: Sequence[Contestant], number: int) -> list[Contestant]:
    """Everyone once, in the order of the turn of that number: each begins with the next one."""
    first = number % len(contestants)
    return [*contestants[first:], *contestants[:first]]
