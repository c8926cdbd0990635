"""From text to codes: speed, memory and size on disk, measured and by formula."""
