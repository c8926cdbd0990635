"""Tools for agents, by the Model Context Protocol: a client of a server, as the page is."""
