"""Dictionaries: sparse autoencoders and their kin, read from every published format."""
