"""The program against its peers, its own limits and its promises."""
