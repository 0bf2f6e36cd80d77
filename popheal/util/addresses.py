"""Addresses of the network."""

from __future__ import annotations

import ipaddress


def is_loopback(address: str) -> bool:
    """Whether an address (or ``localhost``) never leaves this machine."""
    if address.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(address.strip("[]")).is_loopback
    except ValueError:
        return False
