"""The rows of labels: which score ranks, and what stays of a label that is said again."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from saelake.store.format.provenance import (
    LabelMade,
    LabelScore,
    made_row,
    ranking,
    score_rows,
    scores_in,
)
from saelake.store.format.schema import LABELS_COLUMNS

RANKED = ("score", "score_low", "score_high", "scored_on", "score_kind")
COUNTED = ("n_positive", "n_negative")  # of a score by words
Row = dict[str, Any]


def label_row(
    feature: int,
    label: str,
    explainer: str,
    scores: Iterable[LabelScore] = (),
    made: LabelMade | None = None,
) -> Row:
    """The row of a label, with its ranking score."""
    row: Row = dict.fromkeys(LABELS_COLUMNS.names)
    row |= {"feature": feature, "label": label, "explainer": explainer, "made": made_row(made)}
    return scored(row, tuple(scores))


def scored(row: Row, scores: tuple[LabelScore, ...]) -> Row:
    """The row with these scores in place of those that it has."""
    best = ranking(scores)
    kept = {name: row.get(name) if best and best.kind == "words" else None for name in COUNTED}
    found = (None,) * 5
    if best is not None:
        numbers = map(_kept, (best.value, best.low, best.high))
        found = (*numbers, best.on, best.kind)  # type: ignore[assignment]
    return {**row, **kept, **dict(zip(RANKED, found, strict=True)), "scores": score_rows(scores)}


def known_scores(row: Mapping[str, Any]) -> tuple[LabelScore, ...]:
    """The scores of a row; of one that an earlier saelake wrote, its only one."""
    if row.get("scores"):
        return scores_in(row["scores"])
    if row.get("score") is None:
        return ()
    n = None if row.get("n_positive") is None else row["n_positive"] + row["n_negative"]
    score = LabelScore(
        kind="other" if row.get("scored_on") is None else "words",
        value=row["score"],
        low=row.get("score_low"),
        high=row.get("score_high"),
        n=n,
        on=row.get("scored_on"),
    )
    return (score,)


def kinds(rows: Mapping[str, Any]) -> pa.ChunkedArray:
    """Which kind the score of each label is, of the columns; null of one without."""
    told = pc.if_else(rows["scored_on"].is_valid(), "words", "other")
    told = pc.if_else(rows["score"].is_valid(), told, pa.scalar(None, pa.string()))
    return pc.coalesce(rows["score_kind"], told)


def said_again(new: Row, stored: Row | None) -> Row:
    """What a label's row becomes where its explainer said something of the feature before.

    Of the same text everything stays that is not said anew: scores of other kinds, what made it,
    and its vector.
    """
    if stored is None or stored["label"] != new["label"]:
        return new
    given = scores_in(new["scores"])
    anew = {score.kind for score in given}
    kept = tuple(score for score in known_scores(stored) if score.kind not in anew)
    whole = {**stored, **{name: value for name, value in new.items() if value is not None}}
    if _timeless(new["made"]).items() <= _timeless(stored["made"]).items():
        whole["made"] = stored["made"]
    if not given:
        return {**whole, **{name: stored[name] for name in (*RANKED, *COUNTED, "scores")}}
    return scored(whole, (*given, *kept))


def dated(row: Row) -> Row:
    """The row, which was made now where nothing says when."""
    made: Row = row["made"] or made_row(LabelMade()) or {}
    return {**row, "made": {**made, "time": made.get("time") or now()}}


def now() -> datetime:
    """The moment, as tables have it."""
    return datetime.now(UTC)


def _kept(number: float | None) -> float | None:
    """The number as a table has it, in half as many bits."""
    return None if number is None else float(np.float32(number))


def _timeless(made: Mapping[str, Any] | None) -> dict[str, Any]:
    """What is known of what made a label, but for when."""
    known = {name: value for name, value in (made or {}).items() if value not in (None, [])}
    return {name: str(value) for name, value in known.items() if name != "time"}
