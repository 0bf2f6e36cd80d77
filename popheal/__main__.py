"""``python -m popheal``: the command line."""

if __name__ == "__main__":
    from popheal.cli import program

    program()
