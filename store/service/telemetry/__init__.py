"""What a server tells of its calls: logs, metrics, traces."""
