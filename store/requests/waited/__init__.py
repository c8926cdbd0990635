"""Answers that are waited for: whether somebody still does, and how far they are."""
