"""What a server's own endpoint is like, as the check asks about it: language, version, rights."""

from __future__ import annotations

from attrs import define

from popheal.lab.serializer import PsObject

_CUSTOM = ("System.Management.Automation.PSCustomObject", "System.Object")


@define(kw_only=True)
class ShellManner:
    """An endpoint that does all that popheal needs, unless something else is set.

    Attributes:
        name: What the machine says its name is; that of the server if empty.
        language: ``FullLanguage``, ``ConstrainedLanguage`` or ``NoLanguage``.
        version: Of PowerShell.
        administrator: Whether the account is a local administrator.
        lacking: Commands that the endpoint does not have.
        registry: Why the registry can't be written; empty if it can.
        marked: Whether a restart is marked in the registry.
        shutdown: Whether there is a shutdown.exe.
    """

    name: str = ""
    language: str = "FullLanguage"
    version: str = "5.1.17763.1"
    administrator: bool = True
    lacking: tuple[str, ...] = ()
    registry: str = ""
    marked: bool = False
    shutdown: bool = True

    def about(self, server: str) -> PsObject:
        """Who it is."""
        return PsObject(
            types=_CUSTOM,
            notes={
                "Name": self.name or server.partition(".")[0].upper(),
                "Language": self.language,
                "Version": self.version,
            },
        )

    def conditions(self) -> PsObject:
        """What the scripts find."""
        return PsObject(
            types=_CUSTOM,
            notes={
                "Account": "LAB\\lab",
                "Administrator": self.administrator,
                "Lacking": ", ".join(self.lacking),
                "Registry": self.registry,
                "Marked": self.marked,
                "Shutdown": self.shutdown,
            },
        )
