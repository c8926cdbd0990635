"""Windows and evidence that are made without a lake."""

import random
from collections.abc import Sequence
from typing import Any

from saelake.explaining.evidence import FeatureEvidence
from saelake.explaining.windows import Origin, TokenWindow
from saelake.store.format.sampling import HELD_BACK


def window_of(
    tokens: Sequence[str],
    strengths: Sequence[float] | None = None,
    *,
    doc: int = 0,
    origin: Origin | None = None,
    interval: int | None = None,
) -> TokenWindow:
    given = tuple(strengths or [0.0] * len(tokens))
    return TokenWindow(
        doc=doc,
        id=f"d{doc}",
        begin=0,
        tokens=tuple(tokens),
        strengths=given,
        peak=len(tokens) - len(tokens) // 4 if len(tokens) > 3 else 0,
        origin=origin or ("interval" if max(given) > 0 else "random"),
        interval=interval,
    )


def evidence_of(
    shown: Sequence[TokenWindow], scored: Sequence[TokenWindow] = (), largest: float = 8.0
) -> FeatureEvidence:
    return FeatureEvidence(
        collection="c/d",
        feature=7,
        largest=largest,
        n_firing=99,
        shown=tuple(shown),
        scored=tuple(scored),
    )


def docs(held_back: bool, n: int) -> list[int]:
    """The first documents that are held back, or that are not."""
    numbers = range(20 * n + 20)
    chosen = HELD_BACK.has_documents(list(numbers)).tolist()
    return [doc for doc, held in zip(numbers, chosen, strict=True) if held == held_back][:n]


def planted(n: int, *, seed: int = 0, held_back: bool = True) -> list[TokenWindow]:
    """Windows of which every second fires, at the word rain, which no other has."""
    chance = random.Random(seed)
    made = []
    for number, doc in enumerate(docs(held_back, n)):
        tokens = [chance.choice([" sun", " film", " slow", " end"]) for _ in range(12)]
        strengths = [0.0] * 12
        if number % 2:
            tokens[9], strengths[9] = " rain", 3.0
        made.append(window_of(tokens, strengths, doc=doc, interval=number % 4))
    return made


def recorded_windows(rows: Sequence[dict[str, Any]]) -> list[TokenWindow]:
    """The windows of the examples that delphi was given; none of them is held back."""
    return [
        window_of(row["tokens"], row["strengths"], doc=doc)
        for doc, row in zip(docs(held_back=False, n=len(rows)), rows, strict=True)
    ]
