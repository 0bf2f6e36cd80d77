"""Where the name of something stands: which parameters and which properties, and of what.

A name that stands elsewhere is replaced as well, word by word, as it is not known to be harmless.
Here it is replaced as a whole, whatever words it is made of.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

#: Kinds by the names of properties and parameters, lower case.
_ANYWHERE: Final[Mapping[str, str]] = {
    "activatedatabaseon": "server",
    "activatedon": "server",
    "activateonserver": "server",
    "activedatabasecopy": "server",
    "activationpreference": "server",
    "computername": "server",
    "databaseavailabilitygroup": "group",
    "databasename": "database",
    "fqdn": "server",
    "hostname": "server",
    "machinename": "server",
    "mailboxserver": "server",
    "mastername": "server",
    "masterserveroravailabilitygroup": "group",
    "netbiosname": "server",
    "operationalservers": "server",
    "originatingserver": "server",
    "primaryactivemanager": "server",
    "pscomputername": "server",
    "replaylagtimes": "server",
    "resourcename": "resource",
    "server": "server",
    "serverfqdn": "server",
    "servername": "server",
    "servers": "server",
    "service": "resource",
    "site": "site",
    "startedmailboxservers": "server",
    "stoppedmailboxservers": "server",
    "targetresource": "resource",
    "truncationlagtimes": "server",
    "username": "account",
    "witnessserver": "server",
}

#: Of what an object's own names are the names, by the end of its type's name, lower case.
_OWN_NAMES: Final[Mapping[str, str]] = {
    "databaseavailabilitygroup": "group",
    "databasecopystatusentry": "database",
    "exchangeserver": "server",
    "mailboxdatabase": "database",
    "mailboxserver": "server",
    "replicationcheckoutcome": "server",
    "servercomponentstatepresentationobject": "server",
}
_OF_ITS_OWN: Final = frozenset(
    ["exchangelegacydn", "distinguishedname", "id", "identity", "name", "objectcategory", "rdn"]
)

#: Of what ``Identity`` and ``Name`` are the name, by cmdlet, lower case.
_ABOUT: Final[Mapping[str, str]] = {
    "get-databaseavailabilitygroup": "group",
    "get-mailboxdatabase": "database",
    "get-mailboxdatabasecopystatus": "database",
    "get-monitoringitemidentity": "resource",
    "invoke-monitoringprobe": "resource",
    "move-activemailboxdatabase": "database",
}


def of_parameter(command: str, name: str) -> str | None:
    """The kind of thing that a parameter names; None if it isn't known to name any."""
    if name.casefold() == "identity":
        return _ABOUT.get(command.casefold(), "server")
    return _ANYWHERE.get(name.casefold())


def of_property(types: Sequence[str], name: str) -> str | None:
    """The kind of thing that a property of an object with these types names, likewise."""
    own = of_type(types)
    if own and name.casefold() in _OF_ITS_OWN:
        return own
    return _ANYWHERE.get(name.casefold())


def of_type(types: Sequence[str]) -> str | None:
    """The kind of thing that an object itself is, if it has a name of its own."""
    first = types[0].rpartition(".")[2] if types else ""
    return _OWN_NAMES.get(first.casefold())
