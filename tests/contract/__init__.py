"""A package, so that its fixtures end with its last test: actors on Ray take their CPUs."""
