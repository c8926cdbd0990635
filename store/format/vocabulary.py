"""The names of token ids: every id has one, also where the tokenizer has no token of that id."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from saelake.store.format.lists import Array


def nameless(token_id: int) -> str:
    """What an id is called that no token has: a hole between ids, or one past the last."""
    return f"<id {token_id}>"


def whole(vocabulary: Sequence[str]) -> list[str]:
    """The vocabulary with a name for every id in it."""
    return [name or nameless(token_id) for token_id, name in enumerate(vocabulary)]


def names_of(vocabulary: pa.Array, token_ids: Array) -> pa.Array:
    """The names of ids (n,), also of those that lie beyond the vocabulary (a string array)."""
    beyond = np.unique(token_ids[token_ids >= len(vocabulary)])
    names = pa.concat_arrays([vocabulary, pa.array(map(nameless, beyond.tolist()), pa.string())])
    place = np.searchsorted(beyond, token_ids) + len(vocabulary)
    return names.take(pa.array(np.where(token_ids < len(vocabulary), token_ids, place)))
