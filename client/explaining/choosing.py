"""Which places of a feature are shown, which are held back, and which stand beside them."""

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from saelake.explaining.evidence import EvidenceOptions
from saelake.explaining.windows import FIRING, Origin


class TokenPlace(NamedTuple):
    """A token of a document, by which a window is found.

    Hundreds are made for a feature, and most are not taken, so making one must cost little.
    """

    doc: int
    position: int
    is_held_back: bool
    origin: Origin
    interval: int | None = None
    beside: int | str | None = None

    @property
    def fires(self) -> bool:
        """Whether the feature fires there, as far as it was asked for."""
        return self.origin in FIRING


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPlaces:
    """Firing places that are shown, and those by which labels are scored."""

    shown: tuple[TokenPlace, ...]
    scored: tuple[TokenPlace, ...]


def chosen(
    firing: Sequence[TokenPlace], options: EvidenceOptions, chance: random.Random
) -> ChosenPlaces:
    """Of firing places, the strongest first: those that are shown, and those held back.

    Shown are the strongest, and then of every interval; scored are, in turns, those of every
    interval. Within an interval they are drawn by chance.
    """
    shown = [place for place in firing if not place.is_held_back]
    n = options.n_strongest
    strongest = [place._replace(origin="strongest", interval=0) for place in shown[:n]]
    rest = _by_interval(shown[n:], options.n_intervals, chance)
    typical = [place for part in rest for place in part[: options.n_per_interval]]
    held = _by_interval([p for p in firing if p.is_held_back], options.n_intervals, chance)
    return ChosenPlaces(
        shown=(*strongest, *typical), scored=tuple(_in_turns(held)[: options.n_scored])
    )


def _by_interval(
    places: Iterable[TokenPlace], n_intervals: int, chance: random.Random
) -> list[list[TokenPlace]]:
    """The places of each interval, in an order by chance."""
    parts: list[list[TokenPlace]] = [[] for _ in range(n_intervals)]
    for place in places:
        parts[place.interval or 0].append(place)
    return [chance.sample(part, len(part)) for part in parts]


def _in_turns(parts: Sequence[Sequence[TokenPlace]]) -> list[TokenPlace]:
    longest = max(map(len, parts), default=0)
    return [part[i] for i in range(longest) for part in parts if i < len(part)]


def dealt(
    by_origin: Sequence[Iterable[TokenPlace]], n: Mapping[bool, int], used: Iterable[int]
) -> list[TokenPlace]:
    """Places of every origin in turns, so many of those held back (True) and of the others.

    Of each origin there are as many as of the others, as long as it has some. No document is taken
    twice, nor one that was used.
    """
    seen, taken, left = set(used), [], dict(n)
    waiting = [iter(places) for places in by_origin]
    while waiting and any(left.values()):
        for places in list(waiting):
            place = next((p for p in places if left[p.is_held_back] and p.doc not in seen), None)
            if place is None:
                waiting.remove(places)
                continue
            seen.add(place.doc)
            left[place.is_held_back] -= 1
            taken.append(place)
    return taken
