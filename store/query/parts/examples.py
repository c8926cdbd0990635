"""The strongest token of a feature, with the text around it."""

from collections.abc import Sequence

from saelake.store.query.parts.hits import hits
from saelake.store.query.parts.matches import TokensFound
from saelake.store.query.parts.search import search
from saelake.store.requests.diff import EXAMPLE
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.collection import Collection

CONTEXT = 60  # characters on each side


def examples(
    collection: Collection, features: Sequence[int], wheres: Sequence[str | None]
) -> list[dict[str, object] | None]:
    """The strongest token of each pole in what its filter keeps; None where it never fires."""
    name, poles = str(collection.name), collection.settings.poles
    found = [
        search(
            collection,
            TokensQuery(collection=name, expression=poles.name(f), k=1, where=where),
        )
        for f, where in zip(features, wheres, strict=True)
    ]
    rows = iter(hits(collection, TokensFound.joined(found), CONTEXT).read_all().to_pylist())
    names = [field.name for field in EXAMPLE]
    shown: list[dict[str, object] | None] = []
    for matches in found:
        row = next(rows) if len(matches) else None
        shown.append(None if row is None else {name: row[name] for name in names})
    return shown
