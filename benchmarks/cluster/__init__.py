"""Many workers: what Ray costs, and how many of them one driver can serve."""
