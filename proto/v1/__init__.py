"""Version 1 of the wire contract: the `.proto` file and its generated stubs."""
