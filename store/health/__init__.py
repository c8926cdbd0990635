"""Whether a lake is right, and how it is mended."""
