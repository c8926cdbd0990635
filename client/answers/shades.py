"""Values as shades: a class of the style sheet by the share of the largest."""

import math

DEPTHS = 8  # v1 to v8 of the positive pole, n1 to n8 of the negative one


def shade(value: float, largest: float) -> str:
    """The class of a value, by its share of the largest magnitude; none of nothing."""
    share = abs(value) / largest if largest else 0.0
    if share <= 0:
        return ""
    return f"{'n' if value < 0 else 'v'}{min(math.ceil(share * DEPTHS), DEPTHS)}"
