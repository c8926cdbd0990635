"""What can be asked of a lake: one file for each question, with all that it declares of itself."""
