"""The command line. Needs the extra ``popheal[cli]``; nothing that a program imports needs it."""

from __future__ import annotations

import sys

#: Broken off by a person (``popheal.cli.exit_codes``, which is not loaded yet).
_BROKEN_OFF = 130


def main() -> None:
    """Run the command that the process's arguments name, and exit with its status.

    Ctrl-C ends it without a traceback, however early: while something is still being loaded,
    nothing has been begun.
    """
    try:
        _run()
    except KeyboardInterrupt:
        import signal

        signal.signal(signal.SIGINT, signal.SIG_IGN)  # nothing is left to be broken off
        sys.exit(_BROKEN_OFF)


def _run() -> None:
    try:
        from popheal.cli.app import popheal
    except ModuleNotFoundError as missing:
        if missing.name not in ("click", "rich"):
            raise
        from popheal.util.extras import how_to_install

        sys.stderr.write(
            f"popheal: The command line needs the package {missing.name}, which is not installed. "
            f"{how_to_install('cli')}\n"
        )
        sys.exit(2)
    popheal()
