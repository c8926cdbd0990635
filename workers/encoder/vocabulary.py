"""The text of each token id of a model."""

from typing import Any

from saelake.store.format.vocabulary import nameless


def vocabulary(tokenizer: Any, n_embedded: int | None) -> list[str]:
    """The text of every id of a fast tokenizer and of its model, which embeds `n_embedded`.

    Ids may have holes between them, and a model more of them than its tokenizer has tokens: those
    are called as `nameless` says. A token that decodes to nothing, as some do that only join
    others, is called as the tokenizer calls it.
    """
    last = max(tokenizer.get_vocab().values(), default=-1)
    n = max(last + 1, len(tokenizer), n_embedded or 0)
    raw = tokenizer.convert_ids_to_tokens(list(range(n)))
    known = [token_id for token_id, token in enumerate(raw) if token is not None]
    texts = tokenizer.batch_decode([[token_id] for token_id in known])
    names = [nameless(token_id) for token_id in range(n)]
    for token_id, text in zip(known, texts, strict=True):
        names[token_id] = text or raw[token_id] or names[token_id]
    return names
