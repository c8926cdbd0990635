"""Jobs of a server: what is asked of them, whose turn it is, and the process that does it."""
