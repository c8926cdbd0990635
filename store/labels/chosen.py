"""Which label of a feature goes first, and scores of one kind alone."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from saelake.store.format.lists import Array
from saelake.store.format.provenance import RANKING, ScoreKind
from saelake.store.format.schema import LABELS_COLUMNS
from saelake.store.labels.rows import COUNTED, RANKED, known_scores


def in_order(rows: pa.Table, rank: Array) -> pa.Table:
    """Labels by feature, and of it the best first.

    The smaller `rank` is better, then the kind that comes first in `RANKING`, then the larger
    score: scores of two kinds are never compared. Of equal ones the explainer first by name.
    """
    place = {kind: i for i, kind in enumerate(RANKING)}
    kind = np.array(
        [place.get(each, len(place)) for each in rows["score_kind"].to_pylist()], np.int64
    )
    score = rows["score"].fill_null(-np.inf).to_numpy()
    explainers = rows["explainer"].to_pylist()
    order = np.lexsort((explainers, -score, kind, rank, rows["feature"].to_numpy()))
    return rows.take(pa.array(order, pa.int64()))


def by_kind(columns: Mapping[str, Any], kind: ScoreKind | None) -> dict[str, pa.Array]:
    """The columns of scores (`RANKED`), of the scores of one kind."""
    names = ("scores", *RANKED, *COUNTED)
    told = pa.table([columns[name] for name in names], list(names)).to_pylist()
    found = [next((s for s in known_scores(row) if s.kind == kind), None) for row in told]
    values = [
        (None,) * len(RANKED) if s is None else (s.value, s.low, s.high, s.on, s.kind)
        for s in found
    ]
    return {
        name: pa.array([value[i] for value in values], LABELS_COLUMNS.field(name).type)
        for i, name in enumerate(RANKED)
    }
