"""Error records as Exchange and Windows write them, and what a command ends in."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from attrs import field, frozen

from popheal.lab.serializer import PsObject
from popheal.lab.wire_faults import Wire

#: What PowerShell says of a command that isn't there, or that the account isn't shown.
NOT_RECOGNIZED = (
    "The term '{}' is not recognized as the name of a cmdlet, function, script file, or operable "
    "program. Check the spelling of the name, or if a path was included, verify that the path is "
    "correct and try again."
)


@frozen(kw_only=True)
class Problem:
    """One error record.

    Attributes:
        text: What a person would read.
        reason: Name of the exception's class.
        command: The command, for the error id.
        category: Number of the error category, 0 for "not specified".
        exchange: Whether Exchange says it, with the noise it puts in front of the error id.
        error_id: The fully qualified error id; empty for one made of reason and command.
    """

    text: str
    reason: str
    command: str
    category: int = 0
    exchange: bool = False
    server: str = ""
    error_id: str = ""

    def record(self) -> PsObject:
        """The record as an object."""
        error_id = self.error_id or f"{self.reason},{self.command}"
        if self.exchange:
            request = uuid.uuid5(uuid.NAMESPACE_DNS, f"{self.server}{self.command}{self.text}")
            error_id = (
                f"[Server={self.server.partition('.')[0].upper()},RequestId={request},"
                f"TimeStamp=1/5/2026 8:00:00 AM] [FailureCategory=Cmdlet-{self.reason}] "
                f"{request.hex[:8].upper()},{self.command}"
            )
        exception = PsObject(
            types=(
                "System.Management.Automation.RemoteException",
                "System.Management.Automation.RuntimeException",
                "System.Exception",
                "System.Object",
            ),
            text=f"System.Management.Automation.RemoteException: {self.text}",
            props={"Message": self.text, "HResult": -2146233087},
        )
        return PsObject(
            types=("System.Management.Automation.ErrorRecord", "System.Object"),
            text=self.text,
            notes={
                "Exception": exception,
                "TargetObject": None,
                "FullyQualifiedErrorId": error_id,
                "InvocationInfo": None,
                "ErrorCategory_Category": self.category,
                "ErrorCategory_Activity": self.command,
                "ErrorCategory_Reason": self.reason,
                "ErrorCategory_TargetName": "",
                "ErrorCategory_TargetType": "",
                "ErrorCategory_Message": f"NotSpecified: (:) [{self.command}], {self.reason}",
                "SerializeExtendedInfo": False,
            },
        )


@frozen(kw_only=True)
class Ended:
    """What a command ended in.

    Attributes:
        output: The objects it put out.
        problem: An error record, or None.
        terminating: Whether the error ended the pipeline (its state is Failed then).
        restarts: The server goes down once the answer is through.
        messages: What is answered instead of all that, word for word: the number of each
            message's type, and its text.
    """

    output: Sequence[object] = field(factory=tuple)
    problem: Problem | None = None
    terminating: bool = False
    restarts: bool = False
    messages: Sequence[tuple[int, str]] = ()


class NobodyThere(Exception):
    """The command never reached what it was for: the connection is to say so."""


class LostTrack(Exception):
    """It may or may not have been done: the connection is to end without an answer."""


class Withheld(Exception):
    """There is no answer, but this goes wrong with the connection.

    Attributes:
        wire: What.
    """

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire)
        self.wire = wire
