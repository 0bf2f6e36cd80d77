"""The keys by which a fleet encrypts what it sends: from the environment, and nowhere else.

Each worker and each person's command needs them, and an engine's worker has no configuration.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
from collections.abc import Mapping
from typing import Final

from attrs import frozen

from popheal.errors import ConfigurationError
from popheal.util.secrets import Secret

#: The environment variable: keys with spaces between them, the one that encrypts first.
VARIABLE: Final = "POPHEAL_FLEET_KEYS"
#: Bytes of a key of AES-256.
_LENGTH: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,40}", re.ASCII)
_HOW: Final = (
    "Give each as NAME:KEY, with spaces between them, the one that encrypts first. Make a key "
    "by: openssl rand -base64 32"
)


@frozen
class FleetKey:
    """A key, and what it is called: that stands beside whatever it encrypts.

    Attributes:
        name: Its name, which tells nothing of it.
        secret: The key itself, in base64.
    """

    name: str
    secret: Secret

    def reveal(self) -> bytes:
        """The bytes of it."""
        return base64.b64decode(self.secret.reveal())


def fleet_keys(environ: Mapping[str, str] | None = None) -> tuple[FleetKey, ...]:
    """The keys that the environment gives; the first encrypts, all decrypt. Empty if it has none.

    Args:
        environ: Where to look; the process's environment if None.

    Raises:
        ConfigurationError: If something there is no key. It never holds any of it.
    """
    given = (os.environ if environ is None else environ).get(VARIABLE)
    if given is None:
        return ()
    entries = given.split()
    keys = tuple(_key_of(entry, f"{n} of {len(entries)}") for n, entry in enumerate(entries, 1))
    if not keys:
        # Somebody wanted encryption, and would not get it.
        raise _unusable("is set, and holds no key")
    names = [one.name for one in keys]
    if again := next((one for one in names if names.count(one) > 1), ""):
        raise _unusable(f"has two keys of the name '{again}'")
    return keys


def _key_of(entry: str, which: str) -> FleetKey:
    name, _, key = entry.partition(":")
    try:
        length = len(base64.b64decode(key, validate=True))
    except (binascii.Error, ValueError):
        length = 0
    if not _NAME.fullmatch(name) or length != _LENGTH:
        # Not repeated: whatever it is, there may be a key in it.
        raise _unusable(f"has an entry ({which}) that is no name with {_LENGTH} bytes in base64")
    return FleetKey(name, Secret(key))


def _unusable(problem: str) -> ConfigurationError:
    return ConfigurationError(source=VARIABLE, problem=problem, next_step=_HOW)
