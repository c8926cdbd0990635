"""What a question sees: one state of a collection, and what was read of it."""
