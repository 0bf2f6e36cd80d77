"""The tokens of ``[serve]``: looked up only by whoever serves, and never in the file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path as FilePath
from typing import Any, Final

from popheal.config.secret_source import SECRET_KEYS, SecretSource, variable
from popheal.serve.settings import SHORTEST, ServeSettings, Token, TokenSource, is_token
from popheal.util.schema import Path, Reader, Schema, keys_of
from popheal.util.secrets import Secret
from popheal.util.toml import TomlFile

_WHERE: Final = ("serve", "tokens")
_KEYS: Final[Schema] = {
    **keys_of(TokenSource),
    "token_env": variable("POPHEAL_TOKEN"),
    "keyring": SECRET_KEYS["keyring"],
}


def token_source(reader: Reader, path: Path, value: Any) -> TokenSource:
    """What a table of ``[[serve.tokens]]`` says."""
    return reader.make(path, TokenSource, **reader.values(_KEYS, path, value))


def load_tokens(
    settings: ServeSettings, path: str | FilePath, environ: Mapping[str, str] | None = None
) -> tuple[Token, ...]:
    """Look the tokens up.

    Args:
        settings: What the file says.
        path: The file.
        environ: Where ``token_env`` is looked up; the process's environment if None.

    Raises:
        ConfigurationError: If one is missing, too short to be a token, or somebody else's, too.
    """
    document = TomlFile.read(path)
    source = SecretSource(document, os.environ if environ is None else environ)
    found: list[Token] = []
    for one in settings.tokens:
        secret = _secret_of(source, one)
        problem = ""
        if not is_token(secret.reveal()):
            problem = f"has a token of {one.owner} that is too short, or has spaces in it"
        elif any(secret == other.secret for other in found):
            problem = f"has a token of {one.owner} that is somebody else's, too"
        if problem:
            right = f"Make one of {SHORTEST} characters or more for each: openssl rand -base64 32."
            document.wrong(_WHERE, problem, right)
        found.append(Token(owner=one.owner, may=frozenset(one.may), secret=secret))
    return tuple(found)


def _secret_of(source: SecretSource, one: TokenSource) -> Secret:
    if (one.token_env is None) == (one.keyring is None):
        right = 'Give one of the two: token_env = "POPHEAL_TOKEN", or keyring = true.'
        source.file.wrong(_WHERE, f"does not say where {one.owner}'s is", right)
    if one.token_env is not None:
        return source.variable("serve", "token_env", {"token_env": one.token_env}, "token")
    given = {"keyring": one.keyring, "username": one.owner}
    return source.passwords("serve", given)["password"]
