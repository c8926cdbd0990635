"""Which tokens of a window are marked, and how strong they are on a scale to ten, as in delphi."""

import random
from collections.abc import Sequence
from math import ceil

import numpy as np

from saelake.explaining.quoting import marked, quoted_tokens
from saelake.explaining.windows import TokenWindow

THRESHOLD = 0.3  # of a window's largest strength, above which tokens are marked (delphi)
LISTED = 11  # tokens whose strengths are listed under an example (delphi)


def shown(window: TokenWindow) -> str:
    """The window's text for an explainer: tokens above the threshold between << and >>."""
    least = window.max * THRESHOLD
    return marked(quoted_tokens(window.tokens), [s > least for s in window.strengths])


def listed(window: TokenWindow, largest: float) -> str:
    """The line under an example: its marked tokens, each with its strength of ten."""
    least, tokens = window.max * THRESHOLD, quoted_tokens(window.tokens)
    above = [i for i, strength in enumerate(window.strengths) if strength > least][:LISTED]
    scale = tenths(window.strengths, largest)
    return "Activations: " + "".join(f'("{tokens[i]}" : {scale[i]}), ' for i in above)


def tenths(strengths: Sequence[float], largest: float) -> list[int]:
    """Strengths as whole numbers from 0 to 10, rounded up; 10 is the `largest` (delphi)."""
    scaled = np.array(strengths, np.float32) * np.float32(10) / np.float32(max(largest, 1e-6))
    tens: list[int] = np.ceil(scaled).clip(0, 10).astype(int).tolist()
    return tens


def marked_rightly(window: TokenWindow) -> str:
    """The window's text for a judge, the tokens marked at which the feature fires."""
    least = np.float32(THRESHOLD * window.max)
    strong = np.array(window.strengths, np.float32) >= least
    return marked(quoted_tokens(window.tokens), strong.tolist())


def marked_wrongly(window: TokenWindow, n: int, chance: random.Random) -> str:
    """The text of a silent window, `n` of its tokens marked: its peak, and others by chance."""
    others = [i for i in range(len(window.tokens)) if i != window.peak]
    chosen = {window.peak, *chance.sample(others, min(n - 1, len(others)))}
    is_marked = [i in chosen for i in range(len(window.tokens))]
    return marked(quoted_tokens(window.tokens), is_marked)


def n_marked(windows: Sequence[TokenWindow]) -> int:
    """At how many tokens of a firing window the feature fires in the mean, rounded up (delphi)."""
    counts = [sum(s > 0 for s in window.strengths) for window in windows if window.fires]
    return ceil(sum(counts) / len(counts)) if counts else 1
