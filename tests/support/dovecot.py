"""A real POP3 server: Dovecot on loopback, as whoever runs the tests."""

from __future__ import annotations

import grp
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from attrs import frozen

from tests.support.certificates import signed_for

USER = "popheal@contoso.test"
PASSWORD = "Tr0ub4dor&3-pop"

_CONFIGURATION = """
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
protocols = pop3
listen = 127.0.0.1
default_internal_user = {user}
default_internal_group = {group}
default_login_user = {user}
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
auth_mechanisms = plain
auth_failure_delay = 0
mail_location = maildir:{folder}/mail
first_valid_uid = 1
service pop3-login {{
  chroot =
  inet_listener pop3 {{
    port = {plain}
  }}
  inet_listener pop3s {{
    port = {tls}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  # No longer and longer pauses after wrong passwords.
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail
}}
"""


@frozen
class Dovecot:
    """A running server; its certificate is for ``localhost``.

    Attributes:
        plain: The port that begins without TLS, and offers STLS.
        tls: The port with TLS from the first byte on.
        authority: The file to check its certificate with.
    """

    plain: int
    tls: int
    authority: str


@contextmanager
def serving() -> Iterator[Dovecot]:
    """Serve as long as this lasts."""
    # Root's mail is none of Dovecot's business, so then it is nobody's.
    user = pwd.getpwnam("nobody") if os.getuid() == 0 else pwd.getpwuid(os.getuid())
    folder = Path(tempfile.mkdtemp(prefix="popheal-dovecot-"))  # short: it has sockets in it
    folder.chmod(0o755)
    (folder / "mail").mkdir()
    if os.getuid() == 0:
        os.chown(folder / "mail", user.pw_uid, user.pw_gid)
    plain, tls = _free_ports(2)
    files = signed_for("localhost", folder)
    configuration = folder / "dovecot.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=folder,
            user=user.pw_name,
            group=grp.getgrgid(user.pw_gid).gr_name,
            uid=user.pw_uid,
            gid=user.pw_gid,
            certificate=files.certificate,
            key=files.key,
            password=PASSWORD,
            plain=plain,
            tls=tls,
        )
    )
    server = subprocess.Popen(
        ["dovecot", "-F", "-c", str(configuration)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    try:
        _wait_for(plain, server, folder / "log")
        yield Dovecot(plain, tls, str(files.authority))
    finally:
        server.terminate()
        server.communicate(timeout=20)
        shutil.rmtree(folder, ignore_errors=True)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def _wait_for(port: int, server: subprocess.Popen, log: Path) -> None:
    """Until it greets: it listens before it can."""
    for _ in range(200):
        if server.poll() is not None:
            break
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as session:
                if session.recv(3) == b"+OK":
                    return
        except OSError:
            pass
        try:
            server.wait(0.05)
        except subprocess.TimeoutExpired:
            continue
    said = log.read_text() if log.exists() else ""
    if server.poll() is None:
        server.kill()
    raise AssertionError(f"dovecot does not serve: {said}{server.communicate()[1]}")
