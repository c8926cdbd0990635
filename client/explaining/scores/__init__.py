"""How good labels are: scores with intervals, of what judges said. Pure functions."""
