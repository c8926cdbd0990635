"""Whether two sides have documents of unlike length, which makes nearly every feature differ."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from saelake.store.format.lists import Array
from saelake.store.query.parts.lengths import NOT_ENCODED, lengths
from saelake.store.query.parts.said import plural
from saelake.store.snapshot.selection import Selected
from saelake.store.snapshot.session import Session

UNLIKE = 0.05  # of an AUC from 1/2, from which on lengths are said to differ
BEYOND_CHANCE = 3.0  # standard deviations


@dataclass(frozen=True, slots=True, kw_only=True)
class SideLengths:
    """The lengths of both sides in tokens: medians, and how well length alone tells the sides.

    `auc` is the share of pairs, a document of each side, in which that of a is longer, ties half.
    Where units of codes are others than tokens, these are `counted`.
    """

    median_a: float
    median_b: float
    auc: float
    differ: bool
    counted: str = "token"

    def note(self, n_features: int, unit: str, control: str) -> str | None:
        """What must be said where lengths differ, and nothing is done about it.

        `control` is what the number of tokens is called in a control.
        """
        if not self.differ:
            return None
        said = (
            f"The sides differ in length (median {self.median_a:,.0f} against "
            f"{self.median_b:,.0f} {self.counted}s)"
        )
        if n_features == 0:
            return f"{said}; no feature has q < .05."
        rates = f", even as rates of {self.counted}s" if unit == "token" else ""
        features = plural(n_features, "feature", "features")
        return f"{said}: {features} with q < .05 may follow length{rates}; try control={control}."


def side_lengths(session: Session, a: Selected, others: Sequence[Selected]) -> SideLengths:
    """The lengths of a's documents, and of all others'."""
    x = _of(session, a)
    y = np.concatenate([_of(session, other) for other in others])
    if len(x) == 0 or len(y) == 0:
        return SideLengths(median_a=0.0, median_b=0.0, auc=0.5, differ=False)
    longest = int(max(x.max(), y.max())) + 1
    n_x, n_y = np.bincount(x, minlength=longest), np.bincount(y, minlength=longest)
    shorter = np.cumsum(n_y) - n_y / 2
    auc = float(n_x @ shorter / (len(x) * len(y)))
    deviation = ((len(x) + len(y) + 1) / (12 * len(x) * len(y))) ** 0.5
    away = abs(auc - 0.5)
    return SideLengths(
        median_a=float(np.median(x)),
        median_b=float(np.median(y)),
        auc=auc,
        differ=bool(away >= UNLIKE and away > BEYOND_CHANCE * deviation),
        counted=a.collection.settings.unit,
    )


def _of(session: Session, selected: Selected) -> Array:
    found = lengths(session, selected)
    keep = found != NOT_ENCODED
    kept: Array = found[keep if selected.mask is None else keep & selected.mask]
    return kept
