"""A lake, as people use it."""

from saelake.lake.lake import Lake as Lake
