"""A real Kerberos on loopback: MIT's KDC, with a realm of its own for each test."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REALM = "CONTOSO.COM"
#: Seconds that clocks may differ by.
SKEW = 60
PASSWORD = "a test's own"
_SBIN = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class Kdc:
    """A KDC that runs, or not.

    Attributes:
        environment: The variables by which Kerberos' libraries find everything.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.environment = {
            "KRB5_CONFIG": str(folder / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(folder / "kdc.conf"),
            "KRB5_KTNAME": f"FILE:{folder / 'server.keytab'}",
            "KRB5CCNAME": f"FILE:{folder / 'tickets'}",
        }
        (folder / "krb5.conf").write_text(
            f"[libdefaults]\ndefault_realm = {REALM}\ndns_lookup_kdc = false\n"
            "dns_lookup_realm = false\ndns_canonicalize_hostname = false\nrdns = false\n"
            f"udp_preference_limit = 1\nclockskew = {SKEW}\n"
            f"[realms]\n{REALM} = {{\n kdc = 127.0.0.1:{self.port}\n}}\n"
            f"[domain_realm]\n.contoso.com = {REALM}\n"
        )
        (folder / "kdc.conf").write_text(
            f"[kdcdefaults]\nkdc_listen = 127.0.0.1:{self.port}\n"
            f"kdc_tcp_listen = 127.0.0.1:{self.port}\n"
            f"[realms]\n{REALM} = {{\n database_name = {folder / 'principal'}\n"
            f" key_stash_file = {folder / 'stash'}\n acl_file = {folder / 'acl'}\n"
            " max_life = 10h\n}\n[logging]\nkdc = FILE:/dev/null\ndefault = FILE:/dev/null\n"
        )
        self._run("kdb5_util", "create", "-s", "-r", REALM, "-P", "the master's")
        self._process: subprocess.Popen[bytes] | None = None

    def _run(self, *command: str, given: str = "") -> str:
        environment = {**os.environ, **self.environment, "PATH": _SBIN}
        done = subprocess.run(
            command, env=environment, input=given, capture_output=True, text=True, check=True
        )
        return done.stdout

    def start(self) -> None:
        environment = {**os.environ, **self.environment, "PATH": _SBIN}
        self._process = subprocess.Popen(
            ["krb5kdc", "-n"], env=environment, stderr=subprocess.DEVNULL
        )
        until = time.monotonic() + 10
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            except OSError:
                time.sleep(0.01)  # a process has no virtual clock
            else:
                return
        raise AssertionError("the KDC does not answer")

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None

    def add_user(self, name: str) -> None:
        # As Active Directory wants it: the password is proved before there is any answer.
        self._run("kadmin.local", "-q", f'addprinc +requires_preauth -pw "{PASSWORD}" {name}')

    def add_service(self, server: str, service: str = "host") -> None:
        principal = f"{service}/{server}"
        self._run("kadmin.local", "-q", f"addprinc -randkey {principal}")
        keytab = self.folder / "server.keytab"
        self._run("kadmin.local", "-q", f"ktadd -k {keytab} {principal}")

    def client_keytab(self, user: str) -> str:
        """What renews the user's tickets: a value of ``KRB5_CLIENT_KTNAME``."""
        keytab = self.folder / "client.keytab"
        self._run("kadmin.local", "-q", f"ktadd -norandkey -k {keytab} {user}")
        return f"FILE:{keytab}"

    def get_ticket(self, user: str, lifetime: str = "1h") -> None:
        """As ``kinit`` does."""
        self._run("kinit", "-l", lifetime, user, given=f"{PASSWORD}\n")

    def get_expired_ticket(self, user: str) -> None:
        """One that is of no use any more, when this returns."""
        self.get_ticket(user, lifetime="1s")
        time.sleep(2.1)  # Kerberos has no virtual clock

    def drop_tickets(self) -> None:
        (self.folder / "tickets").unlink(missing_ok=True)


@contextmanager
def kdc(folder: Path) -> Iterator[Kdc]:
    """One that runs while this lasts."""
    made = Kdc(folder)
    made.start()
    try:
        yield made
    finally:
        made.stop()
