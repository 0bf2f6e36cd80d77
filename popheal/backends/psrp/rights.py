"""What the account may do on an Exchange endpoint: Exchange shows each only what its roles have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from popheal.backends.psrp.clixml import Record, text_of

#: By effect: the cmdlet, and which of its parameters a role may leave out.
_NEEDED: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "set_activation_disabled": (
        "Set-MailboxServer",
        ("DatabaseCopyActivationDisabledAndMoveNow",),
    ),
    "move_database": ("Move-ActiveMailboxDatabase", ("ActivateOnServer",)),
    "set_protocol_logging": ("Set-PopSettings", ("ProtocolLogEnabled",)),
    "set_component_state": ("Set-ServerComponentState", ("Component", "Requester", "State")),
}
#: A cmdlet that was run before: where even that is not listed, the list means nothing.
_CONTROL: Final = "Get-ServerHealth"


def cmdlets(effects: Iterable[str]) -> list[str]:
    """Which to ask Get-Command for, which works where nothing but cmdlets does."""
    return [_CONTROL, *(_NEEDED[one][0] for one in effects if one in _NEEDED)]


def missing(effects: Iterable[str], output: Iterable[object]) -> Sequence[str]:
    """What the account lacks for the effects, by what Get-Command has listed."""
    listed = {_name(one): one for one in output if isinstance(one, Record)}
    if _CONTROL.casefold() not in listed:
        return ()
    lacking: list[str] = []
    for cmdlet, parameters in (_NEEDED[one] for one in effects if one in _NEEDED):
        found = listed.get(cmdlet.casefold())
        if found is None:
            lacking.append(f"the cmdlet {cmdlet}")
        elif known := _parameters(found):
            lacks = (one for one in parameters if one.casefold() not in known)
            lacking += [f"the parameter {one} of {cmdlet}" for one in lacks]
    return tuple(lacking)


def _name(command: Record) -> str:
    return (text_of(command.get("Name")) or "").casefold()


def _parameters(command: Record) -> set[str]:
    """Names of a command's parameters; none if they were not told."""
    told = command.get("Parameters")
    inner = told.value if isinstance(told, Record) else told
    return {name.casefold() for name in inner} if isinstance(inner, dict) else set()
