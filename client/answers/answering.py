"""Which answer a question has: for faces that ask by the request, not by a method."""

from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa

from saelake.answers.agreements import Agreements
from saelake.answers.answer import Answer
from saelake.answers.associations import Associations
from saelake.answers.clusters import Clusters
from saelake.answers.correlations import Correlations
from saelake.answers.differences import Diff
from saelake.answers.encoded import EncodedTokens
from saelake.answers.families import Families
from saelake.answers.features import Features
from saelake.answers.found import FoundDocuments
from saelake.answers.jobs import Jobs
from saelake.answers.labels import Labels, Neighbors
from saelake.answers.lookups import Document, Info, Tokens, Verification
from saelake.answers.maps import MapPoints
from saelake.answers.matches import Matches
from saelake.answers.places import FeaturePlaces
from saelake.answers.shares import Shares
from saelake.answers.tags import Tags
from saelake.answers.values import ValueCounts
from saelake.answers.windows import windows_of
from saelake.store.requests.request import Request

# By the question's name; each is made of the request and the table that came.
ANSWERS: Mapping[str, Callable[[Any, pa.Table], Answer[Any] | Document]] = {
    "info": lambda _, table: Info(table),
    "tokens": lambda asked, table: Tokens(table, expression=asked.expression),
    "features": lambda _, table: Features(table),
    "document": lambda _, table: Document(table),
    "verify": lambda _, table: Verification(table),
    "similar": lambda _, table: FoundDocuments(table),
    "retrieve": lambda asked, table: FoundDocuments(table, head="phrase", phrase=asked.phrase),
    "select": lambda _, table: FoundDocuments(table, head="notes"),
    "diff": lambda _, table: Diff(table),
    "associate": lambda _, table: Associations(table),
    "shares": lambda _, table: Shares(table),
    "values": lambda _, table: ValueCounts(table),
    "correlate": lambda _, table: Correlations(table),
    "cluster": lambda _, table: Clusters(table),
    "map": lambda _, table: MapPoints(table),
    "match": lambda _, table: Matches(table),
    "families": lambda _, table: Families(table),
    "labels": lambda _, table: Labels(table),
    "agreement": lambda _, table: Agreements(table),
    "neighbors": lambda asked, table: Neighbors(table, feature=asked.feature),
    "jobs": lambda _, table: Jobs(table),
    "tags": lambda _, table: Tags(table),
    "encode": lambda asked, table: EncodedTokens(table, texts=asked.texts),
    "windows": windows_of,
    "places": lambda _, table: FeaturePlaces(table),
}


def answer_of(request: Request, table: pa.Table) -> Answer[Any] | Document:
    """The answer that a table is to this question. Exports, which are streams, have none."""
    return ANSWERS[request.question](request, table)
