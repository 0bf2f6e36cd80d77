"""What PowerShell's own errors mean: error records, from the far side's commands.

An error record is an answer: the far side was there, and said no. Most become
:class:`~popheal.errors.CommandFailed`; :data:`RULES` lists the ones that say more.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from attrs import frozen

from popheal.backends.psrp.failures import LONGEST
from popheal.backends.psrp.scripts import NOT_BEGUN
from popheal.errors import (
    BackendError,
    CommandFailed,
    NotAuthorised,
    NotBegun,
    PophealError,
    UnknownName,
    Unreachable,
)
from popheal.exchange.names import short_name
from popheal.util.text import one_line

#: Exchange puts what varies from call to call in brackets in front of error ids and texts.
_NOISE = re.compile(r"^(?:\s*\[[A-Za-z]+=[^\]]*\])+\s*")


@frozen(kw_only=True)
class ErrorText:
    """One error record, in the parts that are looked at.

    Attributes:
        text: What a person would read, without the brackets Exchange puts in front.
        reason: Name of the exception's class, for example ``CommandNotFoundException``.
        error_id: Fully qualified error id, likewise without brackets.
    """

    text: str
    reason: str = ""
    error_id: str = ""

    @classmethod
    def of(cls, record: object) -> ErrorText:
        """From an error record of the client library, whatever of it is there."""
        text = _attribute(record, "details_message") or _message(record) or str(record)
        return cls(
            text=one_line(without_noise(text), LONGEST),
            reason=_attribute(record, "reason"),
            error_id=without_noise(_attribute(record, "fq_error")),
        )


def without_noise(text: str) -> str:
    """Text without leading ``[Server=…,RequestId=…] [FailureCategory=…]``."""
    return _NOISE.sub("", text)


@frozen(kw_only=True)
class Rule:
    """One kind of error record that means more than "the command failed".

    Attributes:
        pattern: Searched for in reason, error id and text together.
        looks, effects: The error for each. An effect's must be true of it: what did not prove
            that nothing was begun is *CommandFailed*, and the caller looks afterwards.
        next_step: What the operator can do; empty for the class's own.
    """

    pattern: re.Pattern[str]
    looks: type[BackendError]
    effects: type[BackendError]
    next_step: str = ""


def _rule(
    pattern: str,
    looks: type[BackendError],
    effects: type[BackendError] | None = None,
    next_step: str = "",
) -> Rule:
    return Rule(
        pattern=re.compile(pattern, re.IGNORECASE),
        looks=looks,
        effects=effects or looks,
        next_step=next_step,
    )


_MISSING = "Give the account a management role that includes this cmdlet."
_NO_PARAMETER = "Give the account a management role that includes this parameter of the cmdlet."

_NO_SCRIPTS = (
    "This endpoint can't run popheal's scripts: in [winrm] of the configuration name one in full "
    "language mode that the account may use, as Microsoft.PowerShell is. Endpoints of Just Enough "
    "Administration, and those in ConstrainedLanguage mode, don't do."
)

RULES = (
    # Parameters are bound before anything is begun. A role may leave some of them out.
    _rule(
        r"\AParameterBindingException\nNamedParameterNotFound\b",
        NotAuthorised,
        next_step=_NO_PARAMETER,
    ),
    # Where this is the error itself, the command is missing and nothing ran. Where another error
    # tells of it (of an extension that is called at a cmdlet's end, say) an effect may have run.
    _rule(r"\ACommandNotFoundException\n", NotAuthorised, next_step=_MISSING),
    _rule(
        r"CommandNotFoundException|is not recognized as (?:the|a) name of a cmdlet",
        NotAuthorised,
        effects=CommandFailed,
        next_step=_MISSING,
    ),
    _rule(
        r"ConstrainedLanguage|OnlyToCoreTypes|in this language mode|"
        r"not supported by this runspace|no-language mode",
        CommandFailed,
        next_step=_NO_SCRIPTS,
    ),
    # An effect may have got some way before it met with the refusal.
    _rule(
        r"\bUnauthorizedAccessException\b|^Access is denied",
        NotAuthorised,
        effects=CommandFailed,
    ),
    # In these words Get-WinEvent says that a log is closed to the account.
    _rule(
        r"\bAttempted to perform an unauthorized operation\b",
        NotAuthorised,
        effects=CommandFailed,
        next_step="Make the account a local administrator there, or one of Event Log Readers.",
    ),
    # The connected server could not open a connection to the target. An effect may have written
    # to the directory before.
    _rule(r"\ARpcException\n.*\n.*\b0x6ba\b", Unreachable, effects=CommandFailed),
)

#: Error ids of our own scripts' refusals, which come before anything is begun.
_REFUSED = re.compile(rf"{NOT_BEGUN}\.(\w*)")

#: What to do about a refusal, by its reason.
_ON_REFUSAL = {
    "boot_time": "It has been restarted meanwhile; see whether that has helped.",
    "denied": "Make the account a local administrator there.",
    "disabled": "Find out who has disabled the service, and why, before it is enabled.",
    "missing": "See which services the server has; its roles may have changed.",
    "shutdown": "Find out who shuts the server down; a shutdown that is only scheduled can be "
    "aborted there: shutdown.exe /a.",
    "wrong_server": "Correct the address of the server in the configuration.",
}

_NOT_FOUND = re.compile(r"ManagementObjectNotFoundException|couldn.t be found on|wasn.t found")


def failure(
    errors: Sequence[ErrorText],
    *,
    server: str,
    command: str,
    effect: bool,
    script: bool = False,
) -> PophealError:
    """The error that error records amount to; the first one is the one that is told."""
    first = errors[0]
    if refused := _REFUSED.match(first.error_id):
        return _refusal(first.text, refused[1], server=server, command=command, effect=effect)
    seen = f"{first.reason}\n{first.error_id}\n{first.text}"
    # Get-ExchangeServer finds nothing but servers, in whatever language it says so.
    about_it = command == "Get-ExchangeServer" or _names(first.text, server)
    if not effect and about_it and _NOT_FOUND.search(seen):
        return UnknownName(kind="server", name=server)
    if script and first.reason == "CommandNotFoundException":
        # One of PowerShell's own, which an endpoint has unless it was left out on purpose. In the
        # scripts nothing comes after the command that is the effect.
        return NotAuthorised(
            server=server, command=command, cause=first.text, next_step=_NO_SCRIPTS
        )
    for rule in RULES:
        if rule.pattern.search(seen):
            kind = rule.effects if effect else rule.looks
            return kind(server=server, command=command, cause=first.text, next_step=rule.next_step)
    return CommandFailed(server=server, command=command, cause=first.text or first.error_id)


def _refusal(
    text: str, reason: str, *, server: str, command: str, effect: bool
) -> NotBegun | CommandFailed:
    """What our own script declined. A look changes nothing anyway: to it, that is a failure."""
    next_step = _ON_REFUSAL.get(reason, "")
    if not effect:
        return CommandFailed(server=server, command=command, cause=text, next_step=next_step)
    return NotBegun(server=server, command=command, cause=text, next_step=next_step, reason=reason)


def _names(text: str, server: str) -> bool:
    """Whether the text quotes the server's name, the way it was given or short."""
    said = text.casefold()
    return any(
        f"{quote}{name.casefold()}{quote}" in said
        for name in (server, short_name(server))
        for quote in "'\""
    )


def _attribute(record: object, name: str) -> str:
    value = getattr(record, name, None)
    return value if isinstance(value, str) else ""


def _message(record: object) -> str:
    exception = getattr(record, "exception", None)
    properties = getattr(exception, "adapted_properties", None)
    message = properties.get("Message") if isinstance(properties, dict) else None
    return message if isinstance(message, str) else ""
