"""Tables, files and what can go wrong with them; the only wing that speaks Lance."""
