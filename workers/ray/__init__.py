"""Workers on a Ray cluster; the only wing that speaks Ray."""
