"""Questions that a server asks itself before others come: their loops are compiled or loaded.

In a new installation that takes ten seconds, which the first who asks would wait for.
"""

from contextlib import suppress
from typing import Any

from saelake.store.engine import Engine
from saelake.store.errors import SaelakeError
from saelake.store.requests.document import DocumentQuery
from saelake.store.requests.features import FeaturesQuery
from saelake.store.requests.info import InfoQuery
from saelake.store.requests.similar import SimilarQuery
from saelake.store.requests.tokens import TokensQuery

MOST_DOCUMENTS = 1_000_000  # of a collection that is asked


def rehearse(engine: Engine) -> None:
    """Ask the smallest collection that is indexed one question of each kind that has loops."""
    info = engine.ask(InfoQuery()).read_all().to_pylist()
    sizes = {f"{row['corpus']}/{row['dictionary']}": row["n_indexed"] for row in info}
    indexed = {name: n for name, n in sizes.items() if n and n <= MOST_DOCUMENTS}
    for name in sorted(indexed, key=indexed.__getitem__)[:1]:
        with suppress(SaelakeError):  # whoever asks of it is told
            _ask(engine, name)


def _ask(engine: Engine, collection: str) -> None:
    def ask(kind: Any, **fields: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = (
            engine.ask(kind(collection=collection, k=2, **fields)).read_all().to_pylist()
        )
        return rows

    features = dict.fromkeys(row["feature"] for row in ask(FeaturesQuery))
    first, last = min(features, default=0), max(features, default=0)
    ask(TokensQuery, expression=f"{first}", order="quantiles")
    for scope in ("token", "window:2"):
        ask(TokensQuery, expression=f"{first} & {last}", scope=scope)
    docs = tuple(row["doc"] for row in ask(TokensQuery, expression=f"{first}"))[:1]
    for doc in docs:
        engine.ask(DocumentQuery(collection=collection, doc=doc, features=(first,))).read_all()
    for idf in (False, True):
        ask(SimilarQuery, docs=docs, idf=idf)
