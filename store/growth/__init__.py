"""Every verb that writes: shards, index, label, delete, compact, clean up, drop, replace."""
