"""Lakes that grow: appending, deleting and compacting, and memory by size."""
