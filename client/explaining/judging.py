"""Prompts that ask a judge to tell, by a label, where a feature fires: what labels are scored by.

Detection, fuzzing and intruder are delphi's, word for word.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

from saelake.explaining.evidence import FeatureEvidence
from saelake.explaining.marking import marked_rightly, marked_wrongly, n_marked
from saelake.explaining.published import published, said
from saelake.explaining.quoting import quoted, quoted_line
from saelake.explaining.windows import TokenWindow
from saelake.language.prompts import Prompt

SHOWN_AT_ONCE = 5  # windows in a prompt (delphi)
REPLY_TOKENS, THOUGHT_TOKENS = 100, 500
TOP_LOGPROBS = 5  # delphi


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedWindows:
    """A prompt about several windows, and of each whether yes is the right answer."""

    prompt: Prompt
    windows: tuple[TokenWindow, ...]
    truths: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntruderTask:
    """A prompt that shows windows of which one does not belong to the others: the `intruder`."""

    prompt: Prompt
    windows: tuple[TokenWindow, ...]
    intruder: int


def detection(
    evidence: FeatureEvidence,
    label: str,
    *,
    at_once: int = SHOWN_AT_ONCE,
    logprobs: bool = False,
    seed: int = 0,
) -> list[JudgedWindows]:
    """Which of the windows held back does the label fit? Their text, with nothing marked."""
    windows = _shuffled(evidence, f"detection:{seed}")
    texts = [quoted(window.text) for window in windows]
    return _batches("detection", label, windows, texts, at_once, logprobs)


def fuzzing(
    evidence: FeatureEvidence,
    label: str,
    *,
    at_once: int = SHOWN_AT_ONCE,
    logprobs: bool = False,
    seed: int = 0,
) -> list[JudgedWindows]:
    """In which of the windows held back are the tokens that the label fits marked?

    In firing windows those are marked at which the feature fires; in the others as many as fire in
    the mean: the token by which the window was found, and others by chance.
    """
    windows = _shuffled(evidence, f"fuzzing:{seed}")
    n, chance = n_marked(evidence.scored), random.Random(f"marks:{seed}:{evidence.feature}")
    texts = [marked_rightly(w) if w.fires else marked_wrongly(w, n, chance) for w in windows]
    return _batches("fuzzing", label, windows, texts, at_once, logprobs)


def intruders(
    evidence: FeatureEvidence,
    *,
    at_once: int = SHOWN_AT_ONCE,
    thoughts: bool = False,
    seed: int = 0,
) -> list[IntruderTask]:
    """Which of the windows does not belong to the others? One task for each counterexample.

    All others are of one interval of strength, the intervals in turns. No label is shown: this
    scores the feature. Intervals with fewer than two windows are left out.
    """
    chance = random.Random(f"intruder:{seed}:{evidence.feature}")
    by_interval: dict[int | None, list[TokenWindow]] = {}
    for window in evidence.scored:
        if window.fires:
            by_interval.setdefault(window.interval, []).append(window)
    parts = [part for part in by_interval.values() if len(part) > 1]
    counter = [window for window in evidence.scored if not window.fires]
    # `parts` first: zip takes one more of its first argument than it uses.
    pairs = zip(cycle(parts), counter, strict=False) if parts else ()
    return [_intruder(part, window, at_once, thoughts, chance) for part, window in pairs]


def _intruder(
    part: Sequence[TokenWindow],
    intruder: TokenWindow,
    at_once: int,
    thoughts: bool,
    chance: random.Random,
) -> IntruderTask:
    belonging = chance.sample(part, min(at_once - 1, len(part)))
    n = max(sum(s > 0 for w in belonging for s in w.strengths) // len(belonging), 1)
    at = chance.randint(0, len(belonging))
    windows = [*belonging[:at], intruder, *belonging[at:]]
    texts = [marked_rightly(w) if w.fires else marked_wrongly(w, n, chance) for w in windows]
    prompt = intruder_prompt(texts, thoughts=thoughts)
    return IntruderTask(prompt=prompt, windows=tuple(windows), intruder=at)


def intruder_prompt(texts: Sequence[str], *, thoughts: bool = False) -> Prompt:
    """delphi's question for the intruder among texts."""
    words = published("intruder")
    examples = "\n".join(f"Example {i}:{text}" for i, text in enumerate(texts))
    shots = words["thought_shots" if thoughts else "shots"]
    return Prompt(
        messages=said(words["system"], shots, words["question"].format(examples=examples)),
        max_tokens=THOUGHT_TOKENS if thoughts else REPLY_TOKENS,
    )


def judging_prompt(way: str, label: str, texts: Sequence[str], *, logprobs: bool) -> Prompt:
    """delphi's question of `detection` or `fuzzing` about texts."""
    words = published(way)
    examples = "\n".join(f"Example {i}: {text}" for i, text in enumerate(texts))
    question = words["question"].format(explanation=quoted_line(label), examples=examples)
    return Prompt(
        messages=said(words["system"], words["shots"], question),
        max_tokens=REPLY_TOKENS,
        logprobs=TOP_LOGPROBS if logprobs else None,
    )


def _shuffled(evidence: FeatureEvidence, of: str) -> list[TokenWindow]:
    windows = list(evidence.scored)
    random.Random(f"{of}:{evidence.feature}").shuffle(windows)
    return windows


def _batches(
    way: str,
    label: str,
    windows: Sequence[TokenWindow],
    texts: Sequence[str],
    at_once: int,
    logprobs: bool,
) -> list[JudgedWindows]:
    return [
        JudgedWindows(
            prompt=judging_prompt(way, label, texts[i : i + at_once], logprobs=logprobs),
            windows=tuple(windows[i : i + at_once]),
            truths=tuple(window.fires for window in windows[i : i + at_once]),
        )
        for i in range(0, len(windows), at_once)
    ]
