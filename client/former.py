"""Names that methods had before: they work for one version more, and say what is said now."""

import warnings
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def former(name: str, method: Callable[P, R]) -> Callable[P, R]:
    """The method under its former name; each call warns with a `DeprecationWarning`."""

    @wraps(method)
    def renamed(*args: P.args, **kwargs: P.kwargs) -> R:
        say = f"{name} is called {method.__name__} now; this name goes with the next version."
        warnings.warn(say, DeprecationWarning, stacklevel=2)
        return method(*args, **kwargs)

    renamed.__name__ = name
    renamed.__doc__ = f"What `{method.__name__}` was called before."
    return renamed
