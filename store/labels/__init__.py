"""What features are called."""
