"""Hypotheses after they were judged: on how many texts of both sides each holds, and the test."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from saelake.explaining.claims.proportions import (
    UNTESTED,
    Correction,
    ShareDifference,
    corrected,
    of_pairs,
    of_separate,
)
from saelake.explaining.claims.verdicts import Hypothesis, SideName, TextVerdict

OF_PAIRS = "McNemar's exact test of pairs, two-sided"
QUOTES = 3  # of each side
OF_SEPARATE = "Fisher's exact test, two-sided"


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptanceRule:
    """When a claim is accepted: by a p-value below `level`, corrected for all that were made.

    `paired`: texts of both sides are pairs by their unit.
    """

    level: float
    correction: Correction
    paired: bool = False

    @property
    def test(self) -> str:
        """By which test the p-value is."""
        return OF_PAIRS if self.paired else OF_SEPARATE


@dataclass(frozen=True, slots=True, kw_only=True)
class SideCount:
    """Of a side's judged texts: in how many it holds, not, and those of which nobody knows."""

    n_holds: int
    n_not: int
    n_unread: int

    @property
    def n_read(self) -> int:
        """Those that were tested."""
        return self.n_holds + self.n_not

    @property
    def share(self) -> float | None:
        """Of those that were read."""
        return self.n_holds / self.n_read if self.n_read else None


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedHypothesis:
    """A hypothesis, on how many texts of both sides it holds, and whether it is accepted.

    `difference` is the share in A less that in B, with its interval of 95 %; of pairs over those of
    which both texts were read, `n_pairs`. `corrected` is the p-value corrected for all hypotheses
    that were made. `is_sure`: it would be decided alike if every text of which nothing could be
    read spoke against it. `quotes` are of texts in which it holds, of both sides.
    """

    hypothesis: Hypothesis
    a: SideCount
    b: SideCount
    difference: ShareDifference
    corrected: float
    is_accepted: bool
    is_sure: bool
    n_pairs: int | None
    quotes: tuple[TextVerdict, ...]


def decided(
    hypotheses: Sequence[Hypothesis],
    verdicts: Sequence[Sequence[TextVerdict]],
    rule: AcceptanceRule,
) -> tuple[JudgedHypothesis, ...]:
    """Each hypothesis with the verdicts on it; those accepted first, then by p-value."""
    paired = rule.paired
    found = [_difference(of, paired) for of in verdicts]
    against = [
        _difference(_spoken_against(of, hypothesis.more_in), paired)
        for hypothesis, of in zip(hypotheses, verdicts, strict=True)
    ]
    accepted = _accepted(hypotheses, found, rule)
    still = _accepted(hypotheses, against, rule)
    p = corrected([difference.p_value for difference, _ in found], rule.correction)
    rows = [
        JudgedHypothesis(
            hypothesis=hypothesis,
            a=_count(of, "A"),
            b=_count(of, "B"),
            difference=found[i][0],
            corrected=p[i],
            is_accepted=accepted[i],
            is_sure=accepted[i] == still[i],
            n_pairs=found[i][1] if paired else None,
            quotes=(*_quotes(of, "A", QUOTES), *_quotes(of, "B", QUOTES)),
        )
        for i, (hypothesis, of) in enumerate(zip(hypotheses, verdicts, strict=True))
    ]
    return tuple(sorted(rows, key=lambda row: (not row.is_accepted, row.difference.p_value)))


def _accepted(
    hypotheses: Sequence[Hypothesis],
    found: Sequence[tuple[ShareDifference, int]],
    rule: AcceptanceRule,
) -> list[bool]:
    """Those of a corrected p-value below the level, on the side that they say."""
    p = corrected([difference.p_value for difference, _ in found], rule.correction)
    return [
        p[i] < rule.level and (found[i][0].value > 0) == (hypothesis.more_in == "A")
        for i, hypothesis in enumerate(hypotheses)
    ]


def _difference(
    verdicts: Sequence[TextVerdict],
    paired: bool,
) -> tuple[ShareDifference, int]:
    """The test, and of how many pairs."""
    if paired:
        return _of_pairs(verdicts)
    a, b = _count(verdicts, "A"), _count(verdicts, "B")
    return of_separate(a.n_holds, a.n_read, b.n_holds, b.n_read), 0


def _of_pairs(verdicts: Sequence[TextVerdict]) -> tuple[ShareDifference, int]:
    sides = {
        side: {v.unit: v.holds for v in verdicts if v.side == side and v.holds is not None}
        for side in ("A", "B")
    }
    both = [(sides["A"][unit], sides["B"][unit]) for unit in sides["A"] if unit in sides["B"]]
    if not both:
        return UNTESTED, 0
    on_both, only_a, only_b = (
        both.count(each) for each in ((True, True), (True, False), (False, True))
    )
    neither = len(both) - on_both - only_a - only_b
    return of_pairs(on_both, only_a, only_b, neither), len(both)


def _spoken_against(verdicts: Sequence[TextVerdict], more_in: SideName) -> list[TextVerdict]:
    """The verdicts, with the unread ones as bad for the hypothesis as they can be."""
    return [replace(v, holds=v.side != more_in) if v.holds is None else v for v in verdicts]


def _count(verdicts: Sequence[TextVerdict], side: SideName) -> SideCount:
    said = [verdict.holds for verdict in verdicts if verdict.side == side]
    return SideCount(n_holds=said.count(True), n_not=said.count(False), n_unread=said.count(None))


def _quotes(verdicts: Sequence[TextVerdict], side: SideName, n: int) -> list[TextVerdict]:
    return [verdict for verdict in verdicts if verdict.side == side and verdict.holds][:n]
