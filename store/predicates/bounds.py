"""What bounds the work of a filter: its functions, how high it is, and how much it makes."""

from collections.abc import Iterator

from saelake.store.errors import InvalidFilter
from saelake.store.predicates.functions import (
    GROWING,
    GUIDE,
    pattern_unfit,
    unfit,
    unknown,
)
from saelake.store.predicates.mistakes import mistake, refusal
from saelake.store.predicates.tree import (
    Cast,
    Chain,
    FunctionCall,
    Junction,
    Like,
    Node,
    Value,
    parts,
)

MAX_HEIGHT = 128  # of operators upon each other: the engine's work grows with its square
MAX_STEPS = 1000  # functions, patterns, types and operators of arithmetic
MAX_VALUES = 8  # that a function is given beside literals
MAX_LITERALS = 256  # within a function: the engine may write them once for each document
MAX_LITERAL = 4000  # characters of them together


def check_bounds(where: str, node: Node) -> None:
    """Raise `InvalidFilter` where the engine could need more than a filter of its length should."""
    _Bounds(where).height(node)


class _Bounds:
    def __init__(self, where: str) -> None:
        self._where = where
        self._n_steps = 0

    def height(self, node: Node, within: str = "", growing: str = "") -> int:
        """How many operators stand upon each other.

        `within` is the function that this is in, and `growing` what makes its values longer.
        """
        if isinstance(node, Value):
            return 1
        self._count(node)
        made = _maker(node)
        if made and not within:
            self._check_literals(node, made)
        if isinstance(node, FunctionCall):
            self._check_call(node)
        if isinstance(node, Like):
            self._check(pattern_unfit(node.pattern), node.how)
        grown = made if _grows(node) else ""
        if grown and growing:
            raise self._refusal(f"{grown} stands within {growing}, and both make texts longer.")
        if grown:
            self._check_values(node, grown)
        below = (self.height(part, made or within, grown or growing) for part in parts(node))
        n = _levels(node) + max(below, default=0)
        if n > MAX_HEIGHT:
            raise self._refusal(f"more than {MAX_HEIGHT} operators stand upon each other.")
        return n

    def _count(self, node: Node) -> None:
        if isinstance(node, Chain):
            self._n_steps += len(node.rest)
        self._n_steps += isinstance(node, FunctionCall | Like | Cast)
        if self._n_steps > MAX_STEPS:
            raise self._refusal(
                f"it has more than {MAX_STEPS:,} functions, patterns and operators of arithmetic."
            )

    def _check_call(self, node: FunctionCall) -> None:
        said = unknown(node.name)
        if said is not None:
            raise mistake(self._where, node.at, said)
        self._check(unfit(node), node.name)
        self._check_values(node, node.name)

    def _check_values(self, node: Node, name: str) -> None:
        if sum(not isinstance(part, Value) for part in parts(node)) > MAX_VALUES:
            raise self._refusal(f"{name} joins more than {MAX_VALUES} columns.")

    def _check_literals(self, node: Node, name: str) -> None:
        lengths = [len(value.text) for value in _literals(node)]
        if len(lengths) > MAX_LITERALS or sum(lengths) > MAX_LITERAL:
            raise self._refusal(
                f"{name} is given more than {MAX_LITERALS} literals, or {MAX_LITERAL:,} characters "
                "of them."
            )

    def _check(self, said: str | None, name: str) -> None:
        if said is not None:
            raise self._refusal(f"{name}: {said} {GUIDE}.")

    def _refusal(self, said: str) -> InvalidFilter:
        return refusal(self._where, said)


def _maker(node: Node) -> str:
    """What makes a value of others, for a message; nothing where that is no function."""
    if isinstance(node, FunctionCall):
        return node.name
    return "||" if isinstance(node, Chain) and any(sign == "||" for sign, _ in node.rest) else ""


def _grows(node: Node) -> bool:
    """Whether it is larger than each of its parts."""
    if isinstance(node, FunctionCall) and node.name == "make_array":
        return any(not isinstance(value, Value) for value in node.values)
    return _maker(node) in GROWING | {"||"}


def _levels(node: Node) -> int:
    """How many of the engine's operators one node is, upon each other."""
    if isinstance(node, Chain):
        return len(node.rest)
    return len(node.conditions).bit_length() if isinstance(node, Junction) else 1


def _literals(node: Node) -> Iterator[Value]:
    """The literals anywhere in a node."""
    if isinstance(node, Value):
        yield node
    for part in parts(node):
        yield from _literals(part)
