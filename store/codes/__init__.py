"""Codes: the table of a collection, embeddings read from it, and maps over its pieces."""
