"""Codes that other systems made: sparse vectors, as a collection."""
