"""Where the Exchange organisation is and how to log on to it. Nothing here connects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import evolve, field, frozen

from popheal.errors import InvalidValue
from popheal.exchange.names import SERVERS, same_server
from popheal.util.addresses import is_loopback
from popheal.util.numbers import number_of, seconds, whole
from popheal.util.schema import FLAG, TEXT, Rule, is_text, one_of
from popheal.util.secrets import Secret

AUTHS = ("basic", "certificate", "credssp", "kerberos", "negotiate", "ntlm")

#: Ways to log on that send the password itself, readable without TLS.
_IN_CLEAR = frozenset({"basic"})


def _secret(value: Secret | str | None) -> Secret | None:
    return Secret(value) if isinstance(value, str) else value


def _bare_path(path: Any) -> Any:
    return path.strip("/") if isinstance(path, str) else path


def _names(servers: Any) -> Any:
    # A text is a sequence too, of its letters.
    return servers if isinstance(servers, str) else tuple(servers)


def _holds_no_password(url: Any) -> bool:
    # With or without a scheme, user name and password are what is in front of an @.
    if not is_text(url) or "@" in url:
        return False
    try:
        urlsplit(url)
    except ValueError:  # malformed beyond being split
        return False
    return True


_NAMES: Final = evolve(SERVERS, accepts=lambda value: not value or SERVERS.accepts(value))
_PORT: Final = whole(1, 65_535)
# A wrong one is not shown: there may be a password in it.
_PROXY: Final = Rule(
    "the address of a proxy, with no @ in it, like http://proxy.contoso.com:3128",
    _holds_no_password,
    quoted=False,
)
_VALIDATION: Final = Rule(
    "true, false, or the path of a bundle of certificate authorities",
    lambda value: isinstance(value, bool) or is_text(value),
)


@frozen(kw_only=True)
class Connection:
    """How to reach one kind of endpoint.

    Attributes:
        servers: Fully qualified names, tried in order. Empty for the plain endpoint, which is
            each server's own.
        auth: One of :data:`AUTHS`. ``kerberos`` without user name takes the ticket cache.
        ssl: HTTPS instead of HTTP.
        port: None for the usual one of the endpoint and ``ssl``.
        path: Path of the endpoint, without leading slash.
        configuration: PowerShell session configuration.
        certificate_pem, certificate_key_pem: Paths of the client's certificate and key.
        certificate_validation: False not to check the server's certificate, or the path of a
            bundle of authorities.
        proxy: URL of an HTTP proxy, without user name or password. Not shown.
        no_proxy: True to ignore the environment's proxy; always so for loopback addresses.
        negotiate_service: First part of the principal that tickets are for; ``host`` if None,
            which every server of a domain has.
    """

    servers: tuple[str, ...] = field(default=(), converter=_names, validator=_NAMES)
    auth: str = field(default="kerberos", validator=one_of(*AUTHS))
    ssl: bool = field(default=False, validator=FLAG)
    port: int | None = field(default=None, validator=_PORT)
    path: str = field(default="wsman", converter=_bare_path, validator=TEXT)
    configuration: str = field(default="Microsoft.PowerShell", validator=TEXT)
    username: str | None = field(default=None, validator=TEXT)
    password: Secret | None = field(default=None, converter=_secret)
    certificate_pem: str | None = field(default=None, validator=TEXT)
    certificate_key_pem: str | None = field(default=None, validator=TEXT)
    certificate_key_password: Secret | None = field(default=None, converter=_secret)
    certificate_validation: bool | str = field(default=True, validator=_VALIDATION)
    proxy: str | None = field(default=None, repr=False, validator=_PROXY)
    no_proxy: bool = field(default=False, validator=FLAG)
    negotiate_service: str | None = field(default=None, validator=TEXT)

    def __attrs_post_init__(self) -> None:
        problem = ""
        if self.auth in ("basic", "credssp") and not (self.username and self.password):
            problem = f"auth '{self.auth}' needs a user name and a password"
        elif self.auth == "certificate" and not (
            self.ssl and self.certificate_pem and self.certificate_key_pem
        ):
            problem = "auth 'certificate' needs ssl, certificate_pem and certificate_key_pem"
        elif self.password and not self.username:
            problem = "there is a password but no user name"
        if problem:
            raise _impossible(problem)

    @property
    def takes_ticket(self) -> bool:
        """Whether one logs on with a ticket that is there already."""
        return self.auth in ("kerberos", "negotiate") and not self.password

    def may_connect_to(self, address: str) -> bool:
        """False where the password would cross a network readable by anyone."""
        return self.ssl or self.auth not in _IN_CLEAR or is_loopback(address)


def exchange_connection(servers: Sequence[str], **fields: object) -> Connection:
    """Settings of the ``Microsoft.Exchange`` endpoint: port 80, or 443 with ssl."""
    fields.setdefault("path", "PowerShell")
    fields.setdefault("configuration", "Microsoft.Exchange")
    if fields.get("port") is None:
        fields["port"] = 443 if fields.get("ssl") else 80
    return Connection(servers=servers, **fields)  # type: ignore[arg-type]


def winrm_connection(**fields: object) -> Connection:
    """Settings of each server's own ``Microsoft.PowerShell`` endpoint: port 5985, or 5986."""
    if fields.get("port") is None:
        fields["port"] = 5986 if fields.get("ssl") else 5985
    return Connection(**fields)  # type: ignore[arg-type]


def _lower_keys(addresses: Mapping[str, str]) -> Mapping[str, str]:
    return {name.casefold(): address for name, address in addresses.items()}


@frozen(kw_only=True)
class PsrpSettings:
    """All that :class:`~popheal.backends.psrp.PsrpBackend` needs to know.

    Attributes:
        exchange: The Exchange endpoints; at least one server.
        winrm: Each server's own endpoint.
        addresses: Fully qualified name to ``"address"`` or ``"address:port"`` (IPv6 addresses in
            brackets where a port follows), for both endpoints of that server.
        command_timeout: Seconds one command may take, from connecting to the last tidying up.
        connect_timeout: Seconds to wait for a TCP connection.
        request_timeout: Seconds to wait for the answer to one request that isn't long-polled.
        answer_limit: How many MiB may come back for one command, unpacked.
        busy_timeout: Seconds to wait, all told, for a shell while the server says there are too
            many already.
    """

    exchange: Connection
    winrm: Connection
    addresses: Mapping[str, str] = field(factory=dict, converter=_lower_keys)
    command_timeout: float = field(default=300.0, validator=seconds(0.001, 86_400))
    connect_timeout: float = field(default=10.0, validator=seconds(0.001, 3_600))
    request_timeout: float = field(default=60.0, validator=seconds(0.001, 3_600))
    answer_limit: float = field(default=256.0, validator=number_of("MiB", 0.01, 65_536))
    busy_timeout: float = field(default=15.0, validator=seconds(0, 3_600))

    def __attrs_post_init__(self) -> None:
        if not self.exchange.servers:
            raise _impossible("no Exchange server to connect to is named")
        for server in (*self.addresses, *self.exchange.servers):
            self.target(server, self.exchange)

    @property
    def by_ticket(self) -> tuple[Connection, ...]:
        """The kinds of endpoint that are logged on to with what Kerberos' tickets are at hand."""
        return tuple(one for one in (self.exchange, self.winrm) if one.takes_ticket)

    def full_name(self, server: str) -> str:
        """The fully qualified name of a server given by either name, if it is known here."""
        known = (*self.exchange.servers, *self.addresses)
        for name in known:
            if name.casefold() == server.casefold():
                return name
        return next((name for name in known if same_server(name, server)), server)

    def target(self, server: str, connection: Connection) -> Target:
        """Where to connect for a server; raises InvalidValue for a malformed address."""
        name = self.full_name(server)
        address, port = _split(self.addresses.get(name.casefold(), name))
        if port is not None:
            connection = evolve(connection, port=port)
        return Target(server=name, address=address, connection=connection)


@frozen(kw_only=True)
class Target:
    """One endpoint of one server.

    Attributes:
        server: Its name, as certificates and Kerberos know it.
        address: What is connected to; the port is in ``connection``.
    """

    server: str
    address: str
    connection: Connection

    @property
    def where(self) -> str:
        """Its name for people, with what was configured about the way to it."""
        port = f":{self.connection.port}" if self.connection.port else ""
        plain = self.address.casefold() == self.server.casefold()
        return f"{self.server}{port}" if plain else f"{self.server} (at {self.address}{port})"


def _impossible(seen: str, *table: str) -> InvalidValue:
    return InvalidValue(source="connection settings", path=(*table, ""), seen=seen)


def _split(address: str) -> tuple[str, int | None]:
    host, port = address, ""
    if address.startswith("["):
        host, _, rest = address[1:].partition("]")
        port = rest.removeprefix(":")
        host = f"[{host}]"
    elif address.count(":") == 1:
        host, _, port = address.partition(":")
    elif ":" in address:
        host = f"[{address}]"
    if not host or (port and not (port.isdecimal() and 0 < int(port) < 65536)):  # noqa: PLR2004
        raise _impossible(f"'{address}' is not an address or address:port", "addresses")
    return host, int(port) if port else None
