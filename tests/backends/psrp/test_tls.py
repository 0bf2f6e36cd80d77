"""Whose certificate is accepted where ``[addresses]`` says where a server is reached."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from popheal.backends.psrp import (
    PsrpBackend,
    PsrpSettings,
    exchange_connection,
    winrm_connection,
)
from popheal.errors import BackendError, Unreachable

x509 = pytest.importorskip("cryptography.x509")
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509.oid import NameOID  # noqa: E402

from tests.support.certificates import signing  # noqa: E402

SERVER = "ex1.contoso.test"
LOOPBACK = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Makes certificates; its own is at ``authority.path``."""

    class Authority:
        folder = tmp_path_factory.mktemp("tls")
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A test's own authority")])

        def certificate(self, *, names=None, days=1, ca=False, key=None):
            now = datetime.now(UTC)
            subject = self.name if ca else x509.Name([])
            made = (
                x509.CertificateBuilder()
                .subject_name(subject)
                .issuer_name(self.name)
                .public_key((key or self.key).public_key())
                .serial_number(x509.random_serial_number())
                .not_valid_before(now - timedelta(days=30))
                .not_valid_after(now + timedelta(days=days))
                .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            )
            # Since Python 3.13 whose key it is, and what it may be used for, must be told.
            own = self.key.public_key()
            if ca:
                subject_key = x509.SubjectKeyIdentifier.from_public_key(own)
                made = made.add_extension(subject_key, critical=False)
                made = made.add_extension(signing(), critical=True)
            else:
                issuer_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(own)
                made = made.add_extension(issuer_key, critical=False)
            if names:
                made = made.add_extension(x509.SubjectAlternativeName(names), critical=not ca)
            return made.sign(self.key, hashes.SHA256())

        def write(self, file, *parts):
            path = self.folder / file
            path.write_bytes(b"".join(parts))
            return str(path)

        def server(self, file, names, days=1):
            """The path of a server's key and certificate."""
            key = ec.generate_private_key(ec.SECP256R1())
            signed = self.certificate(names=names, days=days, key=key)
            return self.write(
                file,
                key.private_bytes(
                    serialization.Encoding.PEM,
                    serialization.PrivateFormat.PKCS8,
                    serialization.NoEncryption(),
                ),
                signed.public_bytes(serialization.Encoding.PEM),
            )

    made = Authority()
    own = made.certificate(ca=True).public_bytes(serialization.Encoding.PEM)
    made.path = made.write("ca.pem", own)
    return made


class TlsServer:
    """Shakes hands, notes which server was meant, and answers nothing that is understood."""

    def __init__(self, certificate):
        self.meant = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        context.sni_callback = lambda _socket, name, _context: self.meant.append(name)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]

        def serve():
            with suppress(OSError):
                while True:
                    client, _ = self._listening.accept()
                    with suppress(OSError), context.wrap_socket(client, server_side=True) as shaken:
                        # All of it: what is left unread when it closes takes the answer along.
                        said = b""
                        while more := shaken.recv(1 << 16):
                            said += more
                            if b"Envelope>" in said[-64:]:
                                break
                        shaken.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        threading.Thread(target=serve, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_raised):
        self._listening.shutdown(socket.SHUT_RDWR)  # a thread that waits for clients is told
        self._listening.close()


def asked_of(server, authority):
    """What comes of asking a server that is reached at 127.0.0.1."""
    logon = {
        "auth": "basic",
        "username": "u",
        "password": "p",
        "ssl": True,
        "port": server.port,
        "certificate_validation": authority.path,
    }
    settings = PsrpSettings(
        exchange=exchange_connection([SERVER], **logon),
        winrm=winrm_connection(**logon),
        addresses={SERVER: "127.0.0.1"},
        command_timeout=10.0,
    )
    with PsrpBackend(settings) as backend, pytest.raises(BackendError) as caught:
        backend.server_health(SERVER)
    return caught.value


def dns(name):
    return x509.DNSName(name)


def test_the_certificate_must_be_for_the_servers_name(authority):
    """Not for the address; and TLS is told that name, too, as one address may serve several."""
    with TlsServer(authority.server("own.pem", [dns(SERVER)])) as server:
        error = asked_of(server, authority)
        assert "no remoting endpoint at this path" in error.cause, "TLS was no obstacle"
        assert set(server.meant) == {SERVER}


@pytest.mark.parametrize(
    ("names", "days", "said"),
    [
        pytest.param([dns("ex2.contoso.test")], 1, SERVER, id="another server's"),
        pytest.param(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))], 1, SERVER, id="the address's"
        ),
        pytest.param([dns(SERVER)], -1, "expired", id="expired"),
        pytest.param([dns("contoso.test")], 1, SERVER, id="the domain's"),
    ],
)
def test_any_other_certificate_is_refused(authority, names, days, said):
    """Nothing was sent then, least of all a password."""
    with TlsServer(authority.server("other.pem", names, days)) as server:
        error = asked_of(server, authority)
        assert isinstance(error, Unreachable)
        assert "TLS certificate was not accepted" in error.cause
        assert said in error.cause
        assert error.next_step
