"""Inspecting a way to a server from outside: its name, its port, its certificate, its offers."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from popheal.backends.psrp.failures import Diagnosis, diagnose
from popheal.backends.psrp.first_contact import (
    Certificate,
    certificate_of,
    connect,
    hello,
    proxy_of,
    resolve,
)
from popheal.backends.psrp.http import ways_offered
from popheal.backends.psrp.way_in import WayIn

#: Days that a certificate should last yet.
_SOON: Final = 14


def door(it: WayIn) -> None:
    """Its name, and its port."""
    target, seconds = it.target, it.settings.connect_timeout
    began = time.monotonic()
    host, port, via = target.address.strip("[]"), target.connection.port or 0, ""
    try:
        if proxy := proxy_of(target, it.settings):
            host, port, via = _parts_of(proxy)
    except Exception as error:  # noqa: BLE001 - a library is missing, or a setting is
        it.fail_by("name", diagnose(error), "Correct the connection in the configuration.")
    try:
        found = resolve(host, port, seconds)
    except (OSError, UnicodeError):
        it.fail(
            "name",
            seen=f"{via}{host}",
            cause="its name could not be resolved to an address",
            next_step=f"Give the full name as Active Directory has it, or an address for it in "
            f'[addresses]: "{target.server}" = "192.0.2.11". See also the resolver of this '
            "machine.",
        )
    it.good("name", f"{via}{host}" if found == [host] else f"{via}{host} is {', '.join(found)}")
    left = seconds - (time.monotonic() - began)
    try:
        took = connect(host, port, left)
    except OSError as error:
        late = isinstance(error, TimeoutError)
        why = f"no answer within {seconds:g} s" if late else (error.strerror or "refused").lower()
        it.fail(
            "tcp",
            seen=f"port {port}",
            cause=f"no connection could be made: {why}",
            next_step=f"Check that the server is up, that port {port} is the endpoint's "
            f"({it.way} port), and that a firewall lets this machine through.",
        )
    it.good("tcp", f"port {port} answers in {took * 1000:.0f} ms")


def endpoint(it: WayIn) -> None:
    """Its certificate, whether it is an endpoint at all, and what it offers."""
    target, how = it.target, it.target.connection
    if not how.may_connect_to(target.address):
        it.fail(
            "tls",
            seen="none",
            cause="the password would go there in clear text",
            next_step=f"Set ssl = true, or another auth, in {it.way} of the configuration.",
        )
    said = hello(target, it.settings)
    if said.at_tls and said.problem:
        _no_trust(it, said.problem)
    _certificate(it)
    if said.problem:
        it.fail_by(
            "http",
            said.problem,
            f"Check port and path of {it.way}, and that remoting is enabled on the server "
            "(Enable-PSRemoting).",
        )
    it.good("http", f"/{how.path} answers in {said.seconds * 1000:.0f} ms")
    offered = ", ".join(said.offered) or "not told"
    if said.fits:
        it.good("offers", f"{offered}; {how.auth} is configured")
        return
    others = " or ".join(f'auth = "{one}"' for one in ways_offered(said.offered))
    it.fail(
        "offers",
        seen=offered,
        cause=f"it does not offer {how.auth}, the way to log on that is configured",
        next_step=f"Set {others} in {it.way}, or have the endpoint offer {how.auth}."
        if others
        else f"Have the endpoint offer {how.auth}.",
    )


def _no_trust(it: WayIn, problem: Diagnosis) -> None:
    """TLS came to no good end."""
    shown = certificate_of(it.target, it.settings.connect_timeout)
    trusted = (
        "Have the server show a certificate for its full name from an authority that this machine "
        "trusts; or name that authority: certificate_validation = "
        f'"/path/to/ca.pem" in {it.way}.'
    )
    spoken = f"See whether the port speaks TLS; if it does not, set ssl = false in {it.way}."
    it.fail(
        "tls",
        seen=_described(shown) if shown else "none shown",
        cause=problem.cause,
        next_step=trusted if shown else spoken,
    )


def _certificate(it: WayIn) -> None:
    if not it.target.connection.ssl:
        it.good("tls", "not used")
        return
    shown = certificate_of(it.target, it.settings.connect_timeout)
    if shown is None:  # behind a proxy, say; the client has accepted it
        it.good("tls", "accepted")
        return
    left, seen = shown.days_left(_now()), _described(shown)
    if it.target.connection.certificate_validation is False:
        it.good("tls", f"not checked (certificate_validation = false): {seen}")
    elif left >= _SOON:
        it.good("tls", seen)
    else:
        it.bad(
            "tls",
            seen=seen,
            cause=f"the certificate expires in {left} days",
            next_step="Renew it on the server; from then on popheal can't reach it otherwise.",
        )


def _parts_of(proxy: str) -> tuple[str, int, str]:
    parts = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    return parts.hostname or "", parts.port or 80, "by the proxy "


def _described(shown: Certificate) -> str:
    names, days = ", ".join(shown.names), shown.days_left(_now())
    return f"for {names}, from {shown.issuer}, {_lasting(days)}"


def _lasting(days: int) -> str:
    return f"expired {-days} days ago" if days < 0 else f"{days} days left"


def _now() -> datetime:
    return datetime.now(UTC)
