"""Work that takes long: whether somebody waits for it, and how far it is."""
