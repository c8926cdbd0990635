"""Filters as text: what they say, whole, and the SQL that the tables' engine is given for it."""
