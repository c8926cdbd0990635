"""Language models behind a server: asked, paid for once, and read."""
