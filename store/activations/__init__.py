"""Dense activations that were kept beside codes."""
