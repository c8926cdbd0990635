"""What callers may ask."""

from collections.abc import Collection, Sequence
from dataclasses import fields, replace
from typing import Any, get_args

from saelake.store.errors import InvalidInput, PermissionDenied
from saelake.store.format.schema import LONGEST_NAME
from saelake.store.lake.lake import DICTIONARIES
from saelake.store.lake.states import LakeState, is_state
from saelake.store.requests.named import corpora, places
from saelake.store.requests.request import Request, Right
from saelake.store.service.caller import Caller

RIGHTS: tuple[Right, ...] = get_args(Right)  # each includes those before it


def includes(held: Right | None, needed: Right) -> bool:
    """Whether who holds one right holds another."""
    return held is not None and RIGHTS.index(held) >= RIGHTS.index(needed)


def check_right(caller: Caller, needed: Right) -> None:
    """Raise `PermissionDenied` unless the caller has a right."""
    if not includes(caller.right, needed):
        held = "no right" if caller.right is None else f"the right {caller.right}"
        raise PermissionDenied(
            f"This needs the right {needed}, and {caller.name} has {held}: ask whoever runs the "
            "server for it.",
            right=needed,
        )


def granted(caller: Caller, request: Request) -> Request:
    """The request, as the caller may ask it: what lists a lake lists the granted corpora alone.

    Raises `PermissionDenied` where it is of another corpus, or of the whole lake. A dictionary is
    of no corpus, and everybody may ask about it.
    """
    if caller.corpora is None:
        return request
    asked = _narrowed(request, caller.corpora)
    if not any(True for _ in (*places(asked), *corpora(asked))):
        raise PermissionDenied(
            f"This is of the whole lake, and {caller.name} may use some corpora only: name a "
            "collection.",
        )
    for corpus in corpora(asked):
        check_corpus(caller, corpus)
    return asked


def check_corpus(caller: Caller, corpus: str) -> None:
    """Raise `PermissionDenied` unless the caller may use a corpus, whether there is one or not."""
    if caller.corpora is not None and corpus not in caller.corpora:
        raise PermissionDenied(
            f"{caller.name} may not use the corpus {corpus}: ask whoever runs the server for it.",
            corpus=corpus,
        )


def check_corpora(caller: Caller, about: Sequence[str] | None) -> None:
    """Raise `PermissionDenied` unless all these corpora are the caller's; None is the lake."""
    if caller.corpora is None:
        return
    if about is None:
        raise PermissionDenied(
            f"This is about the whole lake, and {caller.name} may use some corpora only."
        )
    for corpus in about:
        check_corpus(caller, corpus)


def check_labels(caller: Caller, dictionary: str, users: Collection[str]) -> None:
    """Raise `PermissionDenied` unless all corpora with codes by a dictionary are the caller's."""
    if caller.corpora is not None and not (users and caller.corpora.issuperset(users)):
        raise PermissionDenied(
            f"{caller.name} may not label the dictionary {dictionary!r}: that needs every corpus "
            "that is encoded with it, and one at least.",
            dictionary=dictionary,
        )


def check_at(caller: Caller, at: str | None) -> None:
    """Raise `PermissionDenied` for a state with tables of corpora that are not the caller's.

    It is the same whether there are such tables or not. A tag may be of the whole lake: who knows
    its name may ask of it, of his corpora.
    """
    if caller.corpora is None or at is None:
        return
    if not is_state(at):
        _check_short(at)
        return
    owners = {table.partition("--")[0] for table in LakeState.parse(at).tables}
    if not owners <= caller.corpora | {DICTIONARIES}:
        raise PermissionDenied(f"{caller.name} may not use all that this state is of.")


def _check_short(at: str) -> None:
    if len(at) > LONGEST_NAME:
        raise InvalidInput(f"A tag or a time has at most {LONGEST_NAME} characters.")


def _narrowed(request: Request, allowed: frozenset[str]) -> Request:
    """The request, of these corpora where it is of all, if it can be."""
    given: Any = request
    lists = any(field.name == "corpora" for field in fields(given))
    if not lists or given.corpora:
        return request
    narrowed: Request = replace(given, corpora=tuple(sorted(allowed)))
    return narrowed
