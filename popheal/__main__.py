"""``python -m popheal``: the command line."""

from popheal.cli import main

if __name__ == "__main__":
    main()
