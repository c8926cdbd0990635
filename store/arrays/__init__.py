"""Compiled loops, statistics and memory: arithmetic that knows no table."""
