"""A lake: what it is called by, its names, tags and jobs."""
