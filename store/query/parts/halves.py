"""Documents held back: those of which a finding is confirmed that was made in the others."""

import numpy as np

from saelake.store.format.chances import hashed, hashed_texts
from saelake.store.format.lists import Array
from saelake.store.query.parts.strata import groups
from saelake.store.snapshot.selection import Selected


def halves(
    selections: list[Selected], column: str | None, share: float
) -> tuple[list[Selected], list[Selected]]:
    """The selections without the documents that are held back, and only with these.

    By a hash, so that the same documents are held back whenever it is asked: of a document's number
    (the finaliser of SplitMix64), or of what it has in a column, as text (CRC-32, then the same),
    so that documents of one value stay together. About `share` are held back.
    """
    if column is None:
        sizes = [s.collection.documents.n_documents for s in selections]
        chances = [hashed(np.arange(n, dtype=np.uint64)) for n in sizes]
    else:
        known = groups(selections, column)
        by_value = np.append(hashed_texts(known.values.to_pylist()), 0)  # -1 is the last
        own = [hashed(np.arange(len(of), dtype=np.uint64)) for of in known.of]
        chances = [
            np.where(of >= 0, by_value[of], alone) for of, alone in zip(known.of, own, strict=True)
        ]
    held = [chance < share for chance in chances]
    return (
        [_narrowed(s, ~h) for s, h in zip(selections, held, strict=True)],
        [_narrowed(s, h) for s, h in zip(selections, held, strict=True)],
    )


def _narrowed(selected: Selected, keep: Array) -> Selected:
    mask = keep if selected.mask is None else selected.mask & keep
    return Selected(selected.collection, mask)
