"""The web: a page to look at, an API in JSON, and tools for agents, all of which ask a server."""
