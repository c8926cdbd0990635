"""Top 20 of a feature: how fast, against whom, and what a question costs in an object store."""
