"""Heal a server from a script of one's own, and tell people in one's own way.

    POPHEAL_CONFIG=/etc/popheal/popheal.toml python heal_server.py mbx1.contoso.com

It ends as popheal's own command does: 0 well, 1 a person is needed, 3 held back, 4 could not tell.
"""

import os
import signal
import sys

import popheal
from popheal.backends.psrp import PsrpBackend
from popheal.config.load import load_config


def open_ticket(title: str, text: str) -> None:
    """In place of this: your ticket system, your chat, your mail."""
    print(title, text, sep="\n\n")


def main(server: str) -> int:
    """Heal a server; returns the exit status."""
    told = load_config(os.environ["POPHEAL_CONFIG"])
    control = popheal.Control()
    # Ctrl-C and SIGTERM stop gently: what was changed is put back, or handed over in writing.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: control.cancel())
    with popheal.Journal(told.journal) as journal, PsrpBackend(told.settings) as backend:
        healer = popheal.Healer(backend, policy=told.policy, journal=journal)
        report = healer.heal(popheal.Alert(server=server), control=control)
    if report.handover:
        open_ticket(f"POP on {report.server}: {report.verdict.value}", report.to_markdown())
    else:
        print(report.summary)
    return report.verdict.exit_status


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except popheal.PophealError as error:  # a mistake in the file, an unknown server, a full disk
        sys.exit(f"heal_server: {error}")
