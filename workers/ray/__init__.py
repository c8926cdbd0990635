"""Workers, and those who own pieces, on a Ray cluster; the only wing that speaks Ray."""
