"""Inspecting a way to a server from inside: the logon, the session, and what the account has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from popheal.backends.psrp import kerberos, parse, rights
from popheal.backends.psrp.client import ConnectionFailure
from popheal.backends.psrp.error_records import failure
from popheal.backends.psrp.failures import Trouble
from popheal.backends.psrp.way_in import Question, WayIn
from popheal.errors import BackendError
from popheal.exchange.names import short_name
from popheal.util.text import span

#: Seconds within which a session should open and answer.
_SLOW: Final = 20.0
_OLDEST_POWERSHELL: Final = 3
#: With these nobody knows whether the logon was accepted.
_SAY_NOTHING: Final = frozenset({Trouble.NO_WAY, Trouble.DROPPED, Trouble.LATE})


def logon(it: WayIn) -> None:
    """Its ticket, the logon, the session."""
    how = it.target.connection
    accepted = f"accepted, as {how.username or 'whoever runs this'}"
    if how.takes_ticket:
        try:
            kerberos.lasts(it.server, how.username, how.auth == "kerberos")
        except BackendError as error:
            it.fail("ticket", cause=error.cause, next_step=error.next_step)
    account = it.logons.account(how)
    with account.turn(it.settings.connect_timeout):
        if by := account.refused_by:
            it.fail(
                "logon",
                passed=None,
                cause=f"not tried: {' and '.join(by)} refused the password, and one that is given "
                "too often locks the account",
                next_step="Mend that first, and check again.",
            )
        try:
            it.open()
        except ConnectionFailure as failed:
            if failed.diagnosis.trouble is Trouble.DENIED:
                if failed.diagnosis.of_password:
                    account.refuse(f"{it.server} {it.way}")
                it.fail_by("logon", failed.diagnosis, _who_logs_on(it.way))
            if failed.diagnosis.trouble not in _SAY_NOTHING:
                account.accept()
                it.good("logon", accepted)
            it.fail_by(
                "session",
                failed.diagnosis,
                f"Check configuration in {it.way}: Get-PSSessionConfiguration on the server "
                "lists them.",
            )
        account.accept()
    it.good("logon", accepted)
    it.good("session", how.configuration)
    if it.seconds <= _SLOW:
        it.good("answer_time", f"{it.seconds:.1f} s to open and to answer")
    else:
        it.bad(
            "answer_time",
            seen=f"{span(it.seconds)} to open and to answer",
            cause="each new session takes that long, and so does a healing",
            next_step="See what the session loads at its start, and how busy the server is.",
        )


def _who_logs_on(way: str) -> str:
    return (
        f"Check who logs on ({way} username, and its password), and whether that account is locked."
    )


def who(it: WayIn) -> None:
    """Which language, which version, which machine."""
    answer = it.opened
    if answer.errors:
        told = failure(
            answer.errors, server=it.server, command="read about", effect=False, script=True
        )
        it.fail("language", cause=answer.errors[0].text, next_step=told.next_step)
    row = parse.only(answer.output, server=it.server, command="read about")
    language, version, name = (row.maybe_text(one) for one in ("Language", "Version", "Name"))
    if (language or "").casefold() != "fulllanguage":
        it.fail(
            "language",
            seen=language or "not told",
            cause="this endpoint can't run popheal's scripts",
            next_step=_scripts_need(it.way),
        )
    it.good("language", language or "")
    number = (version or "").partition(".")[0]
    if number.isdecimal() and int(number) < _OLDEST_POWERSHELL:
        it.fail(
            "powershell",
            seen=version or "",
            cause=f"the scripts ask for PowerShell {_OLDEST_POWERSHELL} or later",
            next_step="Install a newer Windows Management Framework there.",
        )
    it.good("powershell", version or "not told")
    meant = short_name(it.target.server)
    if short_name(name or "") != meant:
        it.fail(
            "host",
            seen=name or "not told",
            cause=f"the machine that is reached is not {meant}",
            next_step="Correct the address of the server in the configuration ([addresses]), or "
            "in the name service.",
        )
    it.good("host", name or "")


def _scripts_need(way: str) -> str:
    """What to do about an endpoint that runs no scripts."""
    return (
        f"In {way} of the configuration name a session configuration in full language mode that "
        "the account may use, as Microsoft.PowerShell is."
    )


def cmdlets(it: WayIn) -> None:
    """Each cmdlet, with its parameters."""
    held = rights.held(it.taken_by, it.opened.output)
    if held is None:
        for question, about in cmdlet_questions(it):
            it.bad(
                question,
                about=about,
                passed=None,
                cause="Get-Command told nothing that could be relied on",
                next_step="See what Get-Command Get-ServerHealth says in a session of the account.",
            )
        return
    for one in held:
        _cmdlet(it, one)


def _cmdlet(it: WayIn, one: rights.Held) -> None:
    methods = [name for name in it.taken_by if rights.CMDLETS[name].name == one.cmdlet.name]
    mend = "popheal rights prints what gives the account just that."
    if not one.there:
        it.bad(
            "cmdlet",
            about=one.cmdlet.name,
            seen="not there",
            cause="no role of the account has it",
            next_step=f"Give the account a management role that has it: {mend}",
            blocks=methods,
        )
    elif one.lacking:
        lacking = ", ".join(one.lacking)
        it.bad(
            "cmdlet",
            about=one.cmdlet.name,
            seen=f"without {lacking}",
            cause=f"the account's roles leave out: {lacking}",
            next_step=f"Give the account a role that has it with {lacking}: {mend}",
            blocks=[
                name for name in methods if set(rights.CMDLETS[name].parameters) & set(one.lacking)
            ],
        )
    else:
        it.good("cmdlet", f"with {', '.join(one.cmdlet.parameters)}", one.cmdlet.name)


def cmdlet_questions(it: WayIn) -> Iterator[Question]:
    """Which cmdlets are asked about."""
    return (("cmdlet", one.name) for one in rights.needed_for(it.taken_by))
