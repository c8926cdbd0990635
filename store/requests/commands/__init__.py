"""What can be done to a lake through a server: a file for each kind of command."""
