"""Tools with which agents ask."""
