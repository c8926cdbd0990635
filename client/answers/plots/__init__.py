"""Answers as charts that Altair draws and whoever has them may change; the only wing with it."""
