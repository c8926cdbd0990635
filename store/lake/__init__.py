"""A lake: what it is called by, its names, tags and jobs."""

from saelake.store.lake.lake import CollectionName, Lake

__all__ = ["CollectionName", "Lake"]
