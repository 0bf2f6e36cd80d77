"""Programs that Python does not bring along: tests that need one skip without it, and say so."""

from __future__ import annotations

import shutil

import pytest

#: What each is for.
_FOR = {
    "bash": "to have it complete",
    "chromium": "to show pages",
    "dovecot": "to log on to a POP3 server",
    "dot": "which is Graphviz, to draw",
    "gcc": "to compile what spin writes",
    "kinit": "to get a Kerberos ticket",
    "krb5kdc": "which gives Kerberos tickets",
    "kadmin.local": "which tells a KDC of accounts",
    "mount": "to fill a small file system",
    "node": "to run the script of a page",
    "spin": "for a second opinion",
    "systemd-analyze": "to judge the unit",
}


def needs_program(*names: str) -> pytest.MarkDecorator:
    """Skip the test where one of these programs is not installed."""
    missing = [name for name in names if shutil.which(name) is None]
    reason = " and ".join(f"{name} ({_FOR[name]})" for name in missing or names)
    return pytest.mark.skipif(bool(missing), reason=f"needs the program {reason}")
