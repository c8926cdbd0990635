"""Answers on a terminal: tables, pictures, progress, and the screen they are on."""
