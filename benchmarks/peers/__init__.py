"""Runs of other tools, each in the environment that has it installed: they import no saelake."""
