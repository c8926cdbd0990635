"""Tables, files and what can go wrong with them; the only wing that speaks Lance."""

import os

os.environ.setdefault("LANCE_LOG", "error")  # its warnings would mix with our own output
