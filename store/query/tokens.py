"""Which tokens fire a feature, or an expression of features."""

import pyarrow as pa

from saelake.store.query.parts.hits import hits
from saelake.store.query.parts.spread import spread_search
from saelake.store.requests.tokens import TokensQuery
from saelake.store.snapshot.session import Session


def tokens(session: Session, query: TokensQuery) -> pa.RecordBatchReader:
    """The hits that the query asks for, in its order, with the text around them.

    Raises `InvalidExpression`, `InvalidFilter`, `InvalidInput` and `NotFound` (of a feature).
    """
    collection = session.collection(query.collection)
    found = spread_search(session, collection, query)
    return hits(collection, found, query.context)
