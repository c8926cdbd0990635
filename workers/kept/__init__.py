"""Activations that are kept: written beside codes, and read again to train or encode."""
