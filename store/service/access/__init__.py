"""Who asks a server, and what they may ask."""
