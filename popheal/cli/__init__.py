"""The command line. Needs the extra ``popheal[cli]``; nothing that a program imports needs it."""

from __future__ import annotations

import sys

#: Broken off by a person (``popheal.cli.exit_codes``, which is not loaded yet).
_BROKEN_OFF = 130
#: Where Temporal's core is, which has threads of its own that call Python.
_CORE = "temporalio.bridge"


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


def program() -> None:
    """Likewise as a process of its own, which ends by it."""
    try:
        main()
    except SystemExit as end:
        if _CORE in sys.modules:
            _leave(end.code)
        raise


def _leave(status: str | int | None) -> None:
    """End at once: taken down beneath one of the core's threads, Python would abort, now and then.

    Everything is closed by then, and said.
    """
    import contextlib
    import os

    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(status if isinstance(status, int) else int(status is not None))


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
