"""The real backend: PowerShell remoting to Exchange and to its servers, over pypsrp.

Importing this does not import pypsrp; connecting does.
"""

from popheal.backends.psrp.backend import PsrpBackend
from popheal.backends.psrp.settings import (
    AUTHS,
    Connection,
    PsrpSettings,
    exchange_connection,
    winrm_connection,
)
from popheal.util.secrets import Secret

__all__ = [
    "AUTHS",
    "Connection",
    "PsrpBackend",
    "PsrpSettings",
    "Secret",
    "exchange_connection",
    "winrm_connection",
]
