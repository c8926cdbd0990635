"""Where the names of a graph stand, so that linked ones are near each other."""

import math
from collections.abc import Mapping, Sequence

STEPS = 120
Place = tuple[float, float]


def laid_out(names: Sequence[str], links: Sequence[tuple[str, str, float]]) -> Mapping[str, Place]:
    """A place in the unit square for each name, by forces from a circle, so always alike.

    Linked names draw each other near by the weight of the link, and all keep away from each other
    (Fruchterman and Reingold 1991).
    """
    import numpy as np

    n = len(names)
    if n == 0:
        return {}
    at = {name: i for i, name in enumerate(names)}
    turn = 2 * math.pi * np.arange(n) / n
    place = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    ends = np.array([(at[a], at[b]) for a, b, _ in links], np.int64)
    pull = np.array([weight for _, _, weight in links])[:, None]
    ideal = math.sqrt(4 / n)
    for step in range(STEPS):
        apart = place[:, None] - place[None]
        distance = np.maximum(np.linalg.norm(apart, axis=2), 1e-6)
        moved = (apart * (ideal**2 / distance**2)[:, :, None]).sum(axis=1)
        between = place[ends[:, 0]] - place[ends[:, 1]]
        drawn = between * np.linalg.norm(between, axis=1, keepdims=True) / ideal * pull
        np.add.at(moved, ends[:, 0], -drawn)
        np.add.at(moved, ends[:, 1], drawn)
        moved -= place * 0.3  # towards the middle
        length = np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9)
        place += moved / length * np.minimum(length, 0.15 * (1 - step / STEPS))
    low, high = place.min(axis=0), place.max(axis=0)
    inside = (place - low) / np.maximum(high - low, 1e-9)
    return {name: (float(x), float(y)) for name, (x, y) in zip(names, inside, strict=True)}
