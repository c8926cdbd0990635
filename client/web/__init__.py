"""The web: a page to look at and an API in JSON, which ask a server."""
