"""The demo: a real corpus that is on every machine, a real model, real answers."""
