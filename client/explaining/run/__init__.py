"""Asking a language model about features: explained, scored, and written as labels, resumably."""
