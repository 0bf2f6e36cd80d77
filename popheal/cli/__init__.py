"""The command line. Needs the extra ``popheal[cli]``; nothing that a program imports needs it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command that the process's arguments name, and exit with its status."""
    try:
        from popheal.cli.app import popheal
    except ModuleNotFoundError as missing:
        if missing.name not in ("click", "rich"):
            raise
        sys.stderr.write(
            f"popheal: The command line needs the package {missing.name}, which is not installed. "
            "Install it with: pip install 'popheal[cli]'.\n"
        )
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit(130)
    popheal()
