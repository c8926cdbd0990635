"""Questions about documents as wholes: nearest documents, differences, pairs, clusters."""
