"""What a judge is asked to score a label, and what its answers make: one entry for each way."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from saelake.explaining import judging, simulating
from saelake.explaining.evidence import FeatureEvidence
from saelake.explaining.replies import choices, intruder, simulated
from saelake.explaining.run.explained import ScoringWay
from saelake.explaining.scores.areas import area
from saelake.explaining.scores.classified import classified, intruders_found
from saelake.explaining.scores.estimates import ScoreEstimate
from saelake.explaining.scores.simulations import simulation_score
from saelake.language.prompts import Prompt
from saelake.language.reading import Unreadable
from saelake.language.replies import Reply
from saelake.store.format.lists import Array

GUESS = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundScore:
    """A score of a judge's answers, what a guess has, and how many were unreadable."""

    estimate: ScoreEstimate
    chance: float = GUESS
    n_unread: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Prompts to a judge; `read` makes a value of the reply to one, and `score` one of all values.

    There are as many values as prompts; one is `Unreadable` where its reply was, twice.
    """

    prompts: tuple[Prompt, ...]
    read: Callable[[int, Reply], Any]
    score: Callable[[Sequence[Any]], FoundScore]


def judgement(kind: ScoringWay, evidence: FeatureEvidence, label: str) -> Judgement | None:
    """What to ask to score a label so; None where nothing held back could tell it from a guess."""
    fires = {window.fires for window in evidence.scored}
    return _ASKED[kind](evidence, label) if len(fires) == 2 else None


def _classified(kind: ScoringWay, evidence: FeatureEvidence, label: str) -> Judgement:
    tell = judging.detection if kind == "detection" else judging.fuzzing
    batches = tell(evidence, label)
    windows = [window for batch in batches for window in batch.windows]

    def read(at: int, reply: Reply) -> Any:
        return choices(reply.text, len(batches[at].windows))

    def score(values: Sequence[Any]) -> FoundScore:
        said: list[bool | None] = []
        for batch, value in zip(batches, values, strict=True):
            unread = [None] * len(batch.windows)
            said += unread if isinstance(value, Unreadable) else value
        truths = [truth for batch in batches for truth in batch.truths]
        found = classified(truths, said, docs=[window.doc for window in windows])
        return FoundScore(estimate=found.accuracy, n_unread=found.n_unread)

    return Judgement(prompts=tuple(b.prompt for b in batches), read=read, score=score)


def _intruder(evidence: FeatureEvidence, _: str) -> Judgement | None:
    tasks = judging.intruders(evidence)
    if not tasks:
        return None

    def read(at: int, reply: Reply) -> Any:
        return intruder(reply.text, len(tasks[at].windows))

    def score(values: Sequence[Any]) -> FoundScore:
        n_shown = [len(task.windows) for task in tasks]
        found = intruders_found([task.intruder for task in tasks], values, n_shown)
        return FoundScore(
            estimate=found.accuracy, chance=found.chance or GUESS, n_unread=found.n_unread
        )

    return Judgement(prompts=tuple(task.prompt for task in tasks), read=read, score=score)


def _simulation(evidence: FeatureEvidence, label: str) -> Judgement:
    """Of a server without log-probabilities the strengths are those that it says."""
    windows = evidence.scored

    def read(at: int, reply: Reply) -> Any:
        return simulated(reply.text, len(windows[at].tokens), reply.logprobs or ())

    def score(values: Sequence[Any]) -> FoundScore:
        pairs = [
            (np.array(window.strengths) * simulating.STRONGEST / (evidence.largest or 1.0), value)
            for window, value in zip(windows, values, strict=True)
            if not isinstance(value, Unreadable)
        ]
        found = simulation_score([true.tolist() for true, _ in pairs], [said for _, said in pairs])
        return FoundScore(estimate=found.correlation, chance=0.0, n_unread=len(values) - len(pairs))

    prompts = tuple(simulating.simulation(window, label, logprobs=True) for window in windows)
    return Judgement(prompts=prompts, read=read, score=score)


def by_embedding(
    evidence: FeatureEvidence, label: str, embed: Callable[[Sequence[str]], Array]
) -> FoundScore:
    """How well the nearness of texts to the label tells those where the feature fires.

    `embed` gives a row for each text; nearness is the cosine.
    """
    texts = [simulating.embedding_query(label), *(window.text for window in evidence.scored)]
    rows = np.asarray(embed(texts), np.float64)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    truths = [window.fires for window in evidence.scored]
    return FoundScore(
        estimate=area(rows[1:] @ rows[0], truths, [window.doc for window in evidence.scored])
    )


_ASKED: Mapping[ScoringWay, Callable[[FeatureEvidence, str], Judgement | None]] = {
    "detection": partial(_classified, "detection"),
    "fuzzing": partial(_classified, "fuzzing"),
    "intruder": _intruder,
    "simulation": _simulation,
}
