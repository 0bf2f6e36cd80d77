"""How the runbook is cited: section, step and sentence of Microsoft's page.

The page is "Troubleshooting POP Health Set" (Exchange Server 2013). A step is written as the
page numbers it, sub-steps with a dot: ``3.6`` is sub-step 6 of step 3 ("2c" on the page is 2.3).
"""

from __future__ import annotations

from enum import Enum

from attrs import frozen


class Section(Enum):
    """The sections of the page that say what to do."""

    VERIFYING = "Verifying the issue still exists"
    MAILBOX = "PopTestDeepMonitor and PopSelfTestMonitor Recovery Actions"
    CLIENT_ACCESS = "POPCTPMonitor Recovery Actions"
    PROXY = "PopProxyTestMonitor recovery actions"
    COMMAND_TIME = "AverageCommandProcessingTimeGt60sMonitor recovery actions"

    @property
    def short(self) -> str:
        """The name used in citations."""
        return _SHORT[self]

    def step(self, number: str, sentence: int = 1) -> Step:
        """Cite a step of this section."""
        return Step(section=self, number=number, sentence=sentence)


_SHORT = {
    Section.VERIFYING: "Verifying",
    Section.MAILBOX: "Deep/SelfTest",
    Section.CLIENT_ACCESS: "CTP",
    Section.PROXY: "ProxyTest",
    Section.COMMAND_TIME: "CommandTime",
}


@frozen(kw_only=True)
class Step:
    """A sentence of the runbook."""

    section: Section
    number: str
    sentence: int = 1

    def __str__(self) -> str:
        tail = f", sentence {self.sentence}" if self.sentence > 1 else ""
        return f"{self.section.short} {self.number}{tail}"


@frozen
class Ours:
    """Not in the runbook: why it is here. May point at an erratum (``D1``..``D28``)."""

    reason: str

    def __str__(self) -> str:
        return f"ours: {self.reason}"


Citation = Step | Ours
