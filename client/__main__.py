"""`python -m saelake` is the command `saelake`."""

from saelake.cli.app import main

if __name__ == "__main__":
    main()
