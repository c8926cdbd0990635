"""Contenders that answer the same questions in turns, and how long each answer took."""

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from benchmarks.common.report import Cell
from benchmarks.common.turns import TURN, in_turn
from benchmarks.query.contenders import Answer, Contender, hits


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The k strongest documents of a feature; `stratum` groups the questions in tables."""

    stratum: str
    feature: int
    where: str | None = None
    k: int = 20
    context: int = 60


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of each answer, by contender and stratum."""

    seconds: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def of(self, contender: str, strata: Iterable[str]) -> npt.NDArray[np.float64]:
        """The seconds of a contender's answers to questions of these strata."""
        return np.concatenate([self.seconds[contender, stratum] for stratum in strata])

    def row(self, contender: str, strata: Sequence[str], than: str) -> dict[str, Cell]:
        """Milliseconds at the median and in the tail, and how often slower than `than`."""
        p50, p90, p99 = 1e3 * np.quantile(self.of(contender, strata), (0.5, 0.9, 0.99))
        baseline = 1e3 * np.median(self.of(than, strata))
        return {
            "questions": len(self.of(contender, strata)),
            "p50 ms": float(p50),
            "p90 ms": float(p90),
            "p99 ms": float(p99),
            f"× {than}": float(p50 / baseline),
        }


def race(
    contenders: Sequence[Contender], questions: Sequence[Question], *, pause_s: float = 0.0
) -> Times:
    """Ask everyone everything, `TURN` questions at a time; the answers must be equal.

    The first turn is a warm-up and not counted. `pause_s` goes by before each question.
    """
    times = Times()
    for contender in contenders:
        _turn(contender, questions[:TURN], Times(), pause_s)
    for number, begin in enumerate(range(TURN, len(questions), TURN)):
        asked = questions[begin : begin + TURN]
        order = in_turn(contenders, number)
        answers = {each.name: _turn(each, asked, times, pause_s) for each in order}
        check_equal(asked, answers)
    return times


def _turn(
    contender: Contender, questions: Sequence[Question], times: Times, pause_s: float
) -> list[Answer]:
    answers = []
    for question in questions:
        time.sleep(pause_s)
        begun = time.perf_counter()
        answer = contender.top(question.feature, question.k, question.context, question.where)
        times.seconds[contender.name, question.stratum].append(time.perf_counter() - begun)
        answers.append(answer)
    return answers


def check_equal(questions: Sequence[Question], answers: Mapping[str, Sequence[Answer]]) -> None:
    """Raise `AssertionError` if somebody's answer to a question is not the first one's."""
    (expected_of, expected), *others = answers.items()
    for name, found in others:
        for question, one, other in zip(questions, expected, found, strict=True):
            if hits(one) != hits(other):
                raise AssertionError(f"{expected_of} and {name} differ on {question}")
