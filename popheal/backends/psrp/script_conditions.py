"""Inspecting what the scripts will need of Windows, and of the account: one row tells it all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from attrs import frozen

from popheal.backends.psrp import parse, scripts
from popheal.backends.psrp.client import ConnectionFailure
from popheal.backends.psrp.way_in import Question, WayIn, cause_of
from popheal.errors import PophealError

#: Commands that the scripts call, of those that an endpoint may lack.
_COMMANDS: Final = {
    "host_status": ("Get-CimInstance", "Get-Process", "Test-Path"),
    "services": ("Get-CimInstance", "Get-Process"),
    "pop_logs": ("Get-ChildItem", "Get-ItemProperty"),
    "recovery_actions": ("Get-WinEvent",),
    "restart_service": ("Restart-Service",),
    "start_service": ("Start-Service",),
    "reboot": ("Start-Process",),
}


@frozen(kw_only=True)
class _Condition:
    """One condition of the scripts: when it is not met, and what then."""

    name: str
    seen: Callable[[parse.Row], str]
    unmet: Callable[[parse.Row], str]
    next_step: str
    needed_by: tuple[str, ...] = ()


_ADMINISTRATOR: Final = "Make the account a local administrator there."
_CONDITIONS: Final = (
    _Condition(
        name="administrator",
        seen=lambda row: row.maybe_text("Account") or "",
        unmet=lambda row: "" if row.flag("Administrator") else "it is no local administrator",
        next_step=f"{_ADMINISTRATOR} popheal rights says what needs it.",
    ),
    _Condition(
        name="commands",
        seen=lambda _: "",
        unmet=lambda row: f"not there: {lacking}" if (lacking := row.maybe_text("Lacking")) else "",
        next_step="Name a session configuration that has them, as Microsoft.PowerShell has.",
    ),
    _Condition(
        name="registry",
        seen=lambda _: r"HKLM:\SOFTWARE",
        unmet=lambda row: row.maybe_text("Registry") or "",
        next_step=f"{_ADMINISTRATOR} Before a restart it is marked there, so that there is no "
        "second one.",
        needed_by=("reboot",),
    ),
    _Condition(
        name="restart mark",
        seen=lambda _: r"HKLM:\SOFTWARE\PophealRestart",
        unmet=lambda row: (
            "a restart was begun and has not come about, or was aborted"
            if row.flag("Marked")
            else ""
        ),
        next_step="Find out what became of it. While it is there popheal restarts the server "
        r"not again: Remove-Item HKLM:\SOFTWARE\PophealRestart, or restart it by hand.",
        needed_by=("reboot",),
    ),
    _Condition(
        name="shutdown.exe",
        seen=lambda _: "",
        unmet=lambda row: "" if row.flag("Shutdown") else "it is not in System32",
        next_step="See whether the account may read System32 there.",
        needed_by=("reboot",),
    ),
)


def conditions(it: WayIn) -> None:
    """What the scripts ask of Windows."""
    names = {one: None for method in it.taken_by for one in _COMMANDS[method]}
    wanted = _wanted(it)
    try:
        row = it.read(scripts.CONDITIONS, {"Commands": list(names)})
    except (ConnectionFailure, PophealError) as error:
        cause = cause_of(error)
        for one in wanted:
            it.bad(
                "condition",
                about=one.name,
                passed=None,
                cause=cause,
                next_step="Look on the server whether the account may run scripts there.",
            )
        return
    for one in wanted:
        if why := one.unmet(row):
            it.bad(
                "condition",
                about=one.name,
                seen=one.seen(row),
                cause=why,
                next_step=one.next_step,
            )
        else:
            it.good("condition", one.seen(row) or "as it should be", one.name)


def _wanted(it: WayIn) -> list[_Condition]:
    mine = set(it.taken_by)
    return [one for one in _CONDITIONS if not one.needed_by or mine & set(one.needed_by)]


def condition_questions(it: WayIn) -> Iterator[Question]:
    """Which conditions are asked about."""
    return (("condition", one.name) for one in _wanted(it))
