"""Where answers are computed, and who is next: threads for short ones, processes for long ones."""
