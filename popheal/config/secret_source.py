"""Passwords, which are never in a configuration file, but where it says."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Final

from attrs import frozen

from popheal.util.extras import how_to_install
from popheal.util.schema import Document, Key, Rule, Schema, is_text
from popheal.util.secrets import Secret

#: The keyring service that ``keyring = true`` means.
KEYRING_SERVICE: Final = "popheal"

_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def variable(example: str) -> Key:
    """The name of an environment variable. A wrong one is not shown: it may be a secret."""
    rule = Rule(
        f"the name of an environment variable, like {example}",
        lambda value: is_text(value) and bool(_VARIABLE_NAME.fullmatch(value)),
        quoted=False,
    )
    return Key(rule=rule, example=f'"{example}"')


#: Where the passwords of a connection come from.
SECRET_KEYS: Final[Schema] = {
    "password_env": variable("POPHEAL_PASSWORD"),
    "keyring": Key(
        rule=Rule(
            "true, or the name of a keyring service",
            lambda value: value is True or is_text(value),
            quoted=False,
            read=lambda value: KEYRING_SERVICE if value is True else value,
        )
    ),
    "certificate_key_password_env": variable("POPHEAL_PASSWORD"),
}


@frozen
class SecretSource:
    """Gets passwords from where the file says they are."""

    file: Document
    environ: Mapping[str, str]

    def passwords(self, table: str, given: Mapping[str, Any]) -> dict[str, Secret]:
        """The password settings of a connection."""
        if "password_env" in given and "keyring" in given:
            self.file.wrong(
                (table, "keyring"), "and password_env are both given", "Keep one of the two."
            )
        found = {}
        if "password_env" in given:
            found["password"] = self.variable(table, "password_env", given)
        if "keyring" in given:
            found["password"] = self._keyring(table, given)
        if "certificate_key_password_env" in given:
            found["certificate_key_password"] = self.variable(
                table, "certificate_key_password_env", given
            )
        return found

    def variable(
        self, table: str, key: str, given: Mapping[str, Any], content: str = "password"
    ) -> Secret:
        """What the variable holds that a key names."""
        name = given[key]
        password = self.environ.get(name)
        if not password:
            # A name in lower case may be a password put there by mistake: don't repeat it.
            called = f"{name}, which" if name.isupper() else "a variable that"
            self.file.wrong(
                (table, key),
                f"names {called} is not set in the environment",
                f"Set the variable to the {content} before starting popheal.",
            )
        return Secret(password)

    def _keyring(self, table: str, given: Mapping[str, Any]) -> Secret:
        service, username = given["keyring"], given.get("username")
        if not username:
            self.file.wrong(
                (table, "keyring"), "needs a username", 'Add username = "...", as in the keyring.'
            )
        try:
            password: str | None = import_module("keyring").get_password(service, username)
        except ImportError:
            self.file.wrong(
                (table, "keyring"),
                "needs the package keyring, which is not installed",
                how_to_install("keyring"),
            )
        except Exception as error:  # noqa: BLE001 - a keyring's own backends raise anything
            self.file.wrong(
                (table, "keyring"),
                f"can't be used ({type(error).__name__})",
                "Unlock the keyring, or use password_env.",
            )
        if not password:
            self.file.wrong(
                (table, "keyring"),
                f"has no password for '{username}' under that service",
                "Store it with: keyring set SERVICE USERNAME.",
            )
        return Secret(password)
