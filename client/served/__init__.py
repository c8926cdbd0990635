"""Servers as a client sees them: which there are, what is sent, and when again."""
