"""What plots are drawn with, where nothing else is asked; Altair is not needed to know it."""

SIGNIFICANT = 0.05  # of q, below which a feature is marked
MOST = 5_000  # points: a notebook keeps every one of them, with what hovering says
LINES = 50  # features with an interval
PAIRS = 60  # of a graph, whose names overlap beyond that
