"""Answers that may ask the collection that gave them for what they do not hold."""

from collections.abc import Callable
from typing import Any, Self

Ask = Callable[..., Any]


class AsksMore:
    """An answer that knows whom to ask for more, which is no part of what it is.

    Answers are equal whoever they ask. A copy that is pickled asks nobody, and neither does the
    answer of an awaited face: what it would ask must be awaited.
    """

    __slots__ = ("_asked",)

    def asking(self, ask: Ask | None) -> Self:
        """This answer, which asks so from now on, or nobody."""
        object.__setattr__(self, "_asked", ask)  # of frozen values too
        return self

    @property
    def _ask(self) -> Ask | None:
        return getattr(self, "_asked", None)

    def __getstate__(self) -> object:
        return self.__dict__
