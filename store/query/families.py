"""Groups of features that fire in the same documents.

The parts of the graph that has an edge where the NPMI of two features is at least `min_npmi`
(single linkage): a family's features need not all fire with each other. With a control it is the
controlled NPMI.
"""

import numpy as np
import pyarrow as pa
from scipy import sparse

from saelake.store.query.correlate import CoFiring, PairsFound
from saelake.store.query.parts.labelled import labels_of
from saelake.store.requests.checks import Selection
from saelake.store.requests.correlate import CorrelateQuery
from saelake.store.requests.families import FamiliesQuery
from saelake.store.snapshot.session import Session


def families(session: Session, query: FamiliesQuery) -> pa.Table:
    """Families, largest first, ties by the lowest feature.

    A family's features are those that fire in the most documents first. The schema's metadata says
    what that of `correlate` does.
    """
    selection = Selection(collection=query.collection, where=query.where)
    asked = CorrelateQuery(
        a=selection,
        min_npmi=query.min_npmi,
        min_documents=query.min_documents,
        max_coverage=query.max_coverage,
        k=None,
        control=query.control,
    )
    selected = session.select(selection)
    firing = CoFiring(session, selected, asked)
    found = PairsFound.joined([firing.none, *firing.parts()])
    graph = sparse.coo_matrix(
        (np.ones(len(found)), (found.a, found.b)), shape=(selected.width, selected.width)
    )
    _, part = sparse.csgraph.connected_components(graph, directed=False)
    sizes = np.bincount(part)
    order = np.argsort(-sizes, kind="stable")  # parts are numbered by their lowest feature
    chosen = order[sizes[order] > 1][: query.k]
    labels = labels_of(session, selected.collection)
    n_pairs = np.bincount(part[found.a], minlength=len(sizes))
    strength = np.bincount(part[found.a], found.strength, len(sizes))
    members = [np.flatnonzero(part == number) for number in chosen]
    members = [m[np.argsort(-firing.counting.n_a[m], kind="stable")] for m in members]
    columns = {
        "family": np.arange(len(chosen)),
        "n_features": sizes[chosen],
        "n_pairs": n_pairs[chosen],
        "mean_npmi": strength[chosen] / np.maximum(n_pairs[chosen], 1),
        "features": [m.tolist() for m in members],
        "labels": [labels.of(m) for m in members],
    }
    table = pa.Table.from_pydict(columns, schema=FamiliesQuery.answer)
    return table.replace_schema_metadata(firing.said(found))
