"""Documents that a question leaves out, in words: nothing is dropped in silence."""

from collections.abc import Iterator, Sequence

import numpy as np

from saelake.store.format.lists import Array
from saelake.store.query.parts.encoded import encoded
from saelake.store.query.parts.said import plural
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session


def n_encoded(session: Session, selected: Selected) -> int:
    """How many documents of a selection have an embedding."""
    return int(is_encoded(session, selected).sum())


def is_encoded(session: Session, selected: Selected) -> Array:
    """Which documents of the corpus are selected and have an embedding, bool (n_documents,)."""
    return _kept(session, selected)[1]


def unencoded(session: Session, selected: Selected, of: str = "") -> Iterator[str]:
    """How many documents of a selection could not be encoded, or not yet; `of` says of what."""
    chosen, known = _kept(session, selected)
    one, many = (f"{noun}{of and f' of {of}'}" for noun in ("document", "documents"))
    n = int(chosen.sum() - known.sum())
    yield from left_out(n, f"{one} is not encoded", f"{many} are not encoded")


def left_out(n: int, one: str, many: str) -> Iterator[str]:
    """That what is so is left out: `1 document is not encoded`; nothing of none."""
    if n:
        yield f"{plural(n, one, many)}, and {'is' if n == 1 else 'are'} left out."


def without(n: int, whole: int, of: str, what: str, *, why: str = "") -> Iterator[str]:
    """How many of the documents have something not, and are left out for it."""
    if n:
        have, are = ("has", "is") if n == 1 else ("have", "are")
        named = f"{n:,} of {whole:,} documents{of and f' of {of}'}"
        yield f"{named} {have} no {what}{why} and {are} left out."


def on_no_side(session: Session, sides: Sequence[Selected]) -> Iterator[str]:
    """How many documents of one corpus are on none of the sides that are compared."""
    collections = [side.collection for side in sides]
    if len({(c.name.corpus, c.documents.n_documents) for c in collections}) > 1:
        return
    on_a_side = np.logical_or.reduce([_kept(session, side)[0] for side in sides])
    whole = _kept(session, sides[0].whole)[0]
    if n := int((whole & ~on_a_side).sum()):
        are, corpus = "is" if n == 1 else "are", collections[0].name.corpus
        yield f"{n:,} of {int(whole.sum()):,} documents of {corpus} {are} on no side."


def _kept(session: Session, selected: Selected) -> tuple[Array, Array]:
    """Which documents of the corpus are selected, and which of these are encoded, bool (n,)."""
    known = encoded(session, selected)
    chosen = np.ones(len(known), np.bool_) if selected.mask is None else selected.mask
    return chosen, chosen & known
