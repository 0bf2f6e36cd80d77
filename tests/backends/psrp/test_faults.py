"""Everything that can go wrong on the wire, at every step, with a look and with an effect."""

from __future__ import annotations

import threading
import time
import traceback
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from uuid import UUID

import attrs
import pytest
from psrpcore.types import PSInvocationState, PSRPMessageType
from pypsrp.exceptions import InvalidPSRPOperation

from popheal.backends.psrp import PsrpBackend, exchange_connection
from popheal.backends.psrp.failures import diagnose
from popheal.backends.psrp.http import LogonRefused, schemes_in
from popheal.errors import (
    BackendError,
    CommandFailed,
    NotAuthorised,
    NotBegun,
    OutcomeUnknown,
    PophealError,
    UnknownName,
    Unreachable,
    Unreadable,
)
from popheal.lab import Lab, Wire, WireFault
from popheal.lab.error_writer import Ended
from popheal.lab.serializer import PsObject
from popheal.lab.shells import Shell
from popheal.lab.wire_faults import BROKEN_OFF
from tests.support.lab_backend import BOOT, EX1, EX2, FakeBackend
from tests.support.lab_fixtures import PASSWORD

pytestmark = pytest.mark.lab

STEPS = ("Create", "Negotiate", "Command", "Receive")
EACH = [
    pytest.param(
        kind, step, id=f"{kind.name}-{step}", marks=[pytest.mark.slow] * (kind is Wire.STALL)
    )
    for kind in Wire
    for step in STEPS
    if kind not in BROKEN_OFF or step in ("Command", "Receive")
    # A long poll that ends without anything is no fault: it is asked again.
    if (kind, step) != (Wire.TIMED_OUT, "Receive")
]
#: In answer to Command these prove that the command wasn't taken.
REFUSALS = {
    Wire.UNAUTHORISED: NotAuthorised,
    Wire.OTHER_LOGON: NotAuthorised,
    Wire.REDIRECT: Unreachable,
    Wire.REDIRECT_KEPT: Unreachable,
    Wire.NO_SUCH_PATH: Unreachable,
    Wire.FORBIDDEN: NotAuthorised,
    Wire.NOT_FOUND: Unreachable,
    Wire.SHELL_LIMIT: Unreachable,
    Wire.SHELL_GONE: Unreachable,
    Wire.FAULT: CommandFailed,
}
UNREADABLE = (Wire.NOT_XML, Wire.FOREIGN_XML)


def expected(kind: Wire, step: str, *, effect: bool) -> type[BackendError]:
    """The rule in words: only what provably never began is Unreachable or NotAuthorised."""
    denied = kind in (Wire.UNAUTHORISED, Wire.OTHER_LOGON, Wire.FORBIDDEN)
    if step in ("Create", "Negotiate"):
        return NotAuthorised if denied else Unreachable
    if step == "Command" and kind in REFUSALS:
        return REFUSALS[kind]
    if effect:
        return OutcomeUnknown
    if denied:
        return NotAuthorised
    if kind is Wire.FAULT:
        return CommandFailed
    return Unreadable if kind in UNREADABLE else OutcomeUnknown


def check_told_well(error: PophealError) -> None:
    """Readable, with a next step, and nothing in it or attached to it that gives secrets away."""
    told = str(error)
    assert error.next_step
    assert error.next_step in told
    assert "\n" not in told
    assert len(told) < 600
    for leak in ("Traceback", "object at 0x", "HTTPConnectionPool", "urllib3", PASSWORD):
        assert leak not in told
    assert error.__cause__ is None
    assert error.__context__ is None
    assert PASSWORD not in "".join(traceback.format_exception(error))


@pytest.mark.parametrize(("kind", "step"), EACH)
@pytest.mark.parametrize("method", ["host_status", "restart_service"])
def test_each_fault_at_each_step(
    method: str, kind: Wire, step: str, lab: Lab, fake: FakeBackend, capfd: pytest.CaptureFixture
) -> None:
    """The right class of error, well told, and an effect carried out at most once."""
    effect = method == "restart_service"
    lab.faults.add(WireFault(kind=kind, action=step, times=9, server=EX1, seconds=1.5))
    settings = lab.settings(
        command_timeout=3, request_timeout=1, connect_timeout=1, busy_timeout=0.3
    )
    if kind is Wire.STALL and step == "Receive":
        # A long poll is waited for as long as it was asked to last.
        settings = attrs.evolve(settings, command_timeout=1)
        lab.faults.clear()
        lab.faults.add(WireFault(kind=kind, action=step, times=9, server=EX1, seconds=4))
    with PsrpBackend(settings) as backend:
        arguments = (EX1, "MSExchangePop3") if effect else (EX1,)
        with pytest.raises(BackendError) as caught:
            getattr(backend, method)(*arguments)
    assert type(caught.value) is expected(kind, step, effect=effect)
    check_told_well(caught.value)
    assert fake.count(method) <= (1 if effect else 2)
    if effect and type(caught.value) in (Unreachable, NotAuthorised):
        assert fake.count(method) == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("kind", sorted(BROKEN_OFF, key=lambda kind: kind.name))
@pytest.mark.parametrize("step", ["Command", "Receive"])
def test_a_part_of_an_answer_is_no_answer(
    step: str, kind: Wire, lab: Lab, backend: PsrpBackend, fake: FakeBackend
) -> None:
    """A command that was broken off without an error has not told all, and may not be done."""
    lab.faults.add(WireFault(kind=kind, action=step, times=9))
    with pytest.raises(OutcomeUnknown, match="broken off") as caught:
        backend.server_health(EX1)
    check_told_well(caught.value)
    with pytest.raises(OutcomeUnknown, match="broken off"):
        backend.move_database(EX1, "DB1")
    assert fake.count("move_database") == 1
    lab.faults.clear()
    assert len(backend.server_health(EX1)) == 5


@pytest.mark.parametrize("kind", sorted(BROKEN_OFF, key=lambda kind: kind.name))
def test_a_command_that_is_broken_off_late(
    kind: Wire, lab: Lab, backend: PsrpBackend, fake: FakeBackend
) -> None:
    """The same where it is still running when it is broken off."""
    fake.restart_service = lambda *_: time.sleep(0.8)  # type: ignore[method-assign]
    lab.faults.add(WireFault(kind=kind, action="Command"))
    with pytest.raises(OutcomeUnknown, match="broken off"):
        backend.restart_service(EX1, "MSExchangePop3")


@pytest.mark.parametrize("state", ["NotStarted", "Stopping", "Stopped", "Failed", "Disconnected"])
def test_only_completed_is_an_end(
    state: str, backend: PsrpBackend, fake: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever else a pipeline's last state is, nothing is known."""
    number = PSInvocationState[state].value

    def ending(shell: Shell, pipeline: UUID, _ended: Ended) -> Iterator[bytes]:
        last = PsObject(notes={"PipelineState": number})
        return shell._message(pipeline, PSRPMessageType.PipelineState, last)

    monkeypatch.setattr(Shell, "_messages", ending)
    for call in (backend.server_health, partial(backend.move_database, database="DB1")):
        with pytest.raises(OutcomeUnknown, match="broken off"):
            call(EX1)
    assert fake.count("move_database") == 1


@pytest.mark.parametrize("action", ["Create", "Negotiate"])
def test_nothing_is_broken_off_before_there_is_a_command(
    action: str, lab: Lab, backend: PsrpBackend
) -> None:
    """A fault planned for where it can't happen doesn't."""
    lab.faults.add(WireFault(kind=Wire.STOPPED_EMPTY, action=action))
    assert backend.host_status(EX1).boot_time == BOOT


def test_a_look_that_was_broken_off_is_tried_again(lab: Lab, backend: PsrpBackend) -> None:
    """Once, in a new shell."""
    lab.faults.add(WireFault(kind=Wire.STOPPED_PARTLY, action="Receive"))
    assert len(backend.server_health(EX1)) == 5


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("kind", [Wire.DROP_DONE, Wire.DROP_UNDONE, Wire.CUT, Wire.UNAVAILABLE])
def test_a_look_that_was_dropped_is_tried_again(
    kind: Wire, step: str, lab: Lab, backend: PsrpBackend
) -> None:
    """On a fresh connection, or where nothing was asked yet at the next endpoint."""
    lab.faults.add(WireFault(kind=kind, action=step, server=EX1))
    assert len(backend.copies_of("ex3", "DB1")) == 1


def test_an_effect_that_was_lost_is_not_repeated(
    lab: Lab, backend: PsrpBackend, fake: FakeBackend
) -> None:
    """Not at the same endpoint, and not at the next one either."""
    lab.faults.add(WireFault(kind=Wire.DROP_DONE, action="Command", endpoint="exchange"))
    with pytest.raises(OutcomeUnknown):
        backend.move_database("ex3", "DB1")
    assert fake.count("move_database") == 1


def test_a_shell_that_was_lost_in_between(
    lab: Lab, backend: PsrpBackend, fake: FakeBackend
) -> None:
    """An effect whose shell had gone provably wasn't taken, so it goes into a new one."""
    backend.server_health(EX1)
    lab.faults.add(WireFault(kind=Wire.SHELL_GONE, action="Command"))
    backend.set_protocol_logging(EX1, True)
    assert fake.count("set_protocol_logging") == 1


def test_too_many_shells(lab: Lab) -> None:
    """The limit is said as what it is, and leaving off helps."""
    others = [PsrpBackend(lab.settings([EX2])) for _ in range(3)]
    for other in others:
        other.server_health(EX1)
    with pytest.raises(Unreachable, match="concurrent shells") as caught:
        PsrpBackend(lab.settings([EX2], busy_timeout=0.3)).server_health(EX1)
    assert "Close other remote shells" in str(caught.value)
    others[0].close()
    with PsrpBackend(lab.settings([EX2])) as backend:
        backend.server_health(EX1)
    for other in others:
        other.close()


@pytest.mark.parametrize("kind", [Wire.REDIRECT, Wire.REDIRECT_KEPT])
@pytest.mark.parametrize("step", STEPS)
def test_a_redirect_is_not_followed(
    kind: Wire, step: str, lab: Lab, backend: PsrpBackend, fake: FakeBackend
) -> None:
    """Logon and command would go with it. It is said, and where to, without what may be secret."""
    target = f"http://somebody:s3cret@{lab.addresses[EX2]}/wsman?token=s3cret#s3cret"
    lab.faults.add(WireFault(kind=kind, action=step, server=EX1, times=9, location=target))
    with pytest.raises(BackendError) as caught:
        backend.host_status(EX1)
    assert f"it redirects to http://{lab.addresses[EX2]}/wsman (HTTP 30" in str(caught.value)
    assert "s3cret" not in str(caught.value)
    check_told_well(caught.value)
    if step in ("Create", "Negotiate", "Command"):
        assert "not an alias" in caught.value.next_step
        assert not fake.calls
    assert lab.shells(EX2, "wsman") == 0


def test_a_redirect_to_nowhere_in_particular(lab: Lab, backend: PsrpBackend) -> None:
    """A part of an address, or what is none at all."""
    for location, told in (("/owa", "redirects to /owa ("), ("http://[", "redirects (")):
        lab.faults.add(
            WireFault(kind=Wire.REDIRECT, action="Create", server=EX1, location=location)
        )
        with pytest.raises(Unreachable) as caught:
            backend.host_status(EX1)
        assert told in str(caught.value)


def test_another_broken_promise_of_the_protocol() -> None:
    """What the far side says of a session that it can't open is told; this is not about that."""
    cause = diagnose(InvalidPSRPOperation("no such thing")).cause
    assert cause == "the answer is not WS-Management"


def test_a_path_where_there_is_no_endpoint(lab: Lab, backend: PsrpBackend) -> None:
    """By the number of the fault: its text is in the server's language."""
    lab.faults.add(WireFault(kind=Wire.NO_SUCH_PATH, action="Create", server=EX1))
    with pytest.raises(Unreachable, match="at this port and path") as caught:
        backend.host_status(EX1)
    assert "Check the port and the path" in caught.value.next_step


def test_other_ways_to_log_on_are_told(lab: Lab, backend: PsrpBackend) -> None:
    """It was not the password: the endpoint does not take what is configured."""
    lab.faults.add(WireFault(kind=Wire.OTHER_LOGON, action="Create", server=EX1))
    with pytest.raises(NotAuthorised, match="configured, but Negotiate, Kerberos ") as caught:
        backend.host_status(EX1)
    assert 'Set auth to "kerberos" or "negotiate" or "ntlm"' in caught.value.next_step
    check_told_well(caught.value)


def test_a_way_to_log_on_that_the_library_misses(lab: Lab) -> None:
    """The lab offers Basic, and a ticket or NTLM is configured."""
    connection = exchange_connection((EX2,), auth="ntlm", username="lab", password="secret-enough")
    settings = attrs.evolve(lab.settings(), exchange=connection)
    with PsrpBackend(settings) as backend, pytest.raises(NotAuthorised, match="but Basic") as told:
        backend.server_health(EX1)
    assert 'Set auth to "basic"' in told.value.next_step


@pytest.mark.parametrize(
    ("header", "schemes"),
    [
        ("Negotiate", ("Negotiate",)),
        ('Negotiate, Basic realm="x, NTLM y", NTLM', ("Negotiate", "Basic", "NTLM")),
        ("Negotiate oYG1MIGyoAMKAQ==", ("Negotiate",)),
        ('Basic realm="a", charset="UTF-8", CredSSP', ("Basic", "CredSSP")),
        ("", ()),
        ("=, ,,", ()),
    ],
)
def test_what_a_header_offers(header: str, schemes: tuple[str, ...]) -> None:
    """Schemes, without parameters and what is in quotes."""
    assert schemes_in(header) == schemes


@pytest.mark.parametrize(
    ("auth", "offered", "fits"),
    [
        ("basic", ("Negotiate",), False),
        ("basic", ("BASIC",), True),
        ("basic", (), True),
        ("kerberos", ("Negotiate",), True),
        ("kerberos", ("NTLM",), False),
        ("ntlm", ("Kerberos",), False),
        ("certificate", ("Negotiate",), True),
    ],
)
def test_whether_what_is_configured_is_offered(
    auth: str, offered: tuple[str, ...], fits: bool
) -> None:
    """What was not told is not held against it."""
    assert LogonRefused(auth, offered).fits is fits


def test_a_wrong_password(lab: Lab, fake: FakeBackend) -> None:
    """Is tried once, at one endpoint: more would lock the account."""
    connection = exchange_connection((EX1, EX2), auth="basic", username="lab", password="wrong-one")
    settings = attrs.evolve(lab.settings(), exchange=connection)
    with PsrpBackend(settings) as backend, pytest.raises(NotAuthorised) as caught:
        backend.server_health("ex3")
    check_told_well(caught.value)
    assert "wrong-one" not in str(caught.value)
    assert not fake.calls


def test_a_name_that_does_not_resolve(lab: Lab) -> None:
    """Is told as that."""
    settings = attrs.evolve(
        lab.settings(), addresses={EX1: "no-such-host.invalid", EX2: "no-such-host.invalid"}
    )
    settings = attrs.evolve(
        settings, exchange=attrs.evolve(settings.exchange, auth="ntlm", ssl=False)
    )
    with PsrpBackend(settings) as backend, pytest.raises(Unreachable, match="resolved") as caught:
        backend.server_health(EX1)
    check_told_well(caught.value)


def test_a_password_is_not_sent_in_clear(lab: Lab) -> None:
    """Basic without TLS is for loopback only."""
    settings = attrs.evolve(lab.settings(), addresses={EX2: "192.0.2.1"})
    with PsrpBackend(settings) as backend, pytest.raises(Unreachable, match="clear text"):
        backend.server_health(EX1)


@pytest.mark.slow
def test_a_command_that_takes_too_long(lab: Lab, fake: FakeBackend) -> None:
    """Past its deadline an effect's outcome is unknown; the shell is given back."""

    done = threading.Event()

    def slow(server: str, service: str) -> None:
        assert done.wait(60)

    fake.restart_service = slow  # type: ignore[method-assign]
    with PsrpBackend(lab.settings(command_timeout=1)) as backend:
        with pytest.raises(OutcomeUnknown, match="in time") as caught:
            backend.restart_service(EX1, "MSExchangePop3")
        assert not done.is_set()
        check_told_well(caught.value)
        assert lab.shells(EX1, "wsman") == 0
        done.set()


ERRORS: list[tuple[PophealError, type[PophealError], type[PophealError]]] = [
    (
        kind(server=EX1, command="x", cause="the cause"),
        kind,
        OutcomeUnknown if kind is Unreadable else kind,
    )
    for kind in (Unreachable, NotAuthorised, CommandFailed, Unreadable, OutcomeUnknown)
]


@pytest.mark.parametrize(("raised", "of_look", "of_effect"), ERRORS)
@pytest.mark.parametrize("plain", [False, True])
def test_errors_of_the_served_backend_arrive(
    raised: PophealError,
    of_look: type[PophealError],
    of_effect: type[PophealError],
    plain: bool,
    backend: PsrpBackend,
    fake: FakeBackend,
) -> None:
    """What is raised in process is raised over the wire, and an effect is asked for once."""
    look, effect = (
        ("host_status", "restart_service") if plain else ("server_health", "move_database")
    )
    fake.fail(look, raised, raised, raised, raised)
    with pytest.raises(of_look) as caught:
        getattr(backend, look)(EX1)
    assert type(caught.value) is of_look
    check_told_well(caught.value)
    fake.fail(effect, raised)
    with pytest.raises(of_effect) as caught:
        getattr(backend, effect)(EX1, "DB1")
    assert type(caught.value) is of_effect
    assert fake.count(effect) == 1
    fake.scripted.clear()
    assert backend.host_status(EX1).boot_time == BOOT


def test_only_our_own_scripts_can_say_that_nothing_was_begun(
    backend: PsrpBackend, fake: FakeBackend
) -> None:
    """A cmdlet of Exchange has no such word: what it did before its error, a look tells."""
    raised = NotBegun(server=EX1, command="x", cause="the cause", reason="denied")
    for method, kind in (("move_database", CommandFailed), ("restart_service", NotBegun)):
        fake.fail(method, raised)
        with pytest.raises(BackendError) as caught:
            getattr(backend, method)(EX1, "DB1")
        assert type(caught.value) is kind
        check_told_well(caught.value)


def test_a_server_that_does_not_exist(backend: PsrpBackend) -> None:
    """Exchange's own words for it become UnknownName."""
    with pytest.raises(UnknownName) as caught:
        backend.server_info("ex9.contoso.test")
    assert (caught.value.kind, caught.value.name) == ("server", "ex9.contoso.test")
    check_told_well(caught.value)


def test_a_bug_of_the_served_backend(backend: PsrpBackend, fake: FakeBackend) -> None:
    """Is told as the failure of a command, without its trace."""
    fake.fail("server_health", ZeroDivisionError("oops"))
    with pytest.raises(CommandFailed, match="ZeroDivisionError") as caught:
        backend.server_health(EX1)
    check_told_well(caught.value)


def test_an_outcome_that_is_unknown_can_be_looked_up(
    lab: Lab, backend: PsrpBackend, fake: FakeBackend
) -> None:
    """The backend goes on working after a lost effect, and shows whether it was done."""
    for kind, done in ((Wire.DROP_DONE, True), (Wire.DROP_UNDONE, False)):
        fake.logging = False
        lab.faults.add(WireFault(kind=kind, action="Command"))
        with pytest.raises(OutcomeUnknown):
            backend.set_protocol_logging(EX1, True)
        assert backend.pop_settings(EX1).protocol_log_enabled is done


def test_reboot_lost_and_repeated(lab: Lab, backend: PsrpBackend, fake: FakeBackend) -> None:
    """After a lost answer the repeated command is refused by the boot time."""
    fake.on_reboot = lambda server: fake.boots.update({server: BOOT + timedelta(minutes=4)})
    lab.faults.add(WireFault(kind=Wire.DROP_DONE, action="Receive", endpoint="plain"))
    with pytest.raises(OutcomeUnknown):
        backend.reboot(EX1, BOOT)
    with pytest.raises(NotBegun):
        backend.reboot(EX1, BOOT)


def test_a_server_that_goes_down_in_the_middle(
    lab: Lab, backend: PsrpBackend, fake: FakeBackend
) -> None:
    """Of what it was about to do, nobody knows; a look would be tried again, and refused."""
    at_it, done = threading.Event(), threading.Event()

    def slow(*arguments: str) -> None:
        at_it.set()
        done.wait(5)

    def pull_the_plug() -> None:
        at_it.wait(5)
        time.sleep(0.7)  # until the command was acknowledged and its answer is awaited
        lab._listeners[EX1].close()
        done.set()

    fake.restart_service = slow  # type: ignore[method-assign]
    threading.Thread(target=pull_the_plug).start()
    with pytest.raises(OutcomeUnknown, match="lost") as caught:
        backend.restart_service(EX1, "MSExchangePop3")
    check_told_well(caught.value)


@pytest.mark.parametrize("kind", [Unreachable, OutcomeUnknown])
def test_an_error_that_comes_late(
    kind: type[BackendError], backend: PsrpBackend, fake: FakeBackend
) -> None:
    """Once a command was acknowledged, only the connection can say that it was lost."""

    def slow(*arguments: str) -> None:
        time.sleep(0.7)
        raise kind(server=EX1, command="x", cause="c")

    fake.restart_service = slow  # type: ignore[method-assign]
    with pytest.raises(OutcomeUnknown):
        backend.restart_service(EX1, "MSExchangePop3")


def test_own_shells_make_room(lab: Lab, fake: FakeBackend) -> None:
    """When there are too many shells, those of this backend that aren't needed go first."""
    with PsrpBackend(lab.settings(busy_timeout=5)) as backend:
        backend.host_status(EX1)
        lab.faults.add(WireFault(kind=Wire.SHELL_LIMIT, action="Create", server=EX2))
        backend.server_health(EX1)
        assert lab.shells(EX1, "wsman") == 0
        assert lab.shells(EX2) == 1


def test_few_shells_at_a_time(
    lab: Lab, backend: PsrpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one longest unused is closed for a new one."""
    from popheal.backends.psrp import routing

    monkeypatch.setattr(routing, "_MOST", 2)
    backend.host_status(EX1)
    backend.host_status(EX2)
    backend.server_health(EX1)
    assert lab.shells(EX1, "wsman") == 0
    assert lab.shells(EX2, "wsman") == lab.shells(EX2) == 1


@pytest.fixture
def patient(lab: Lab) -> Iterator[PsrpBackend]:
    """For what takes a busy machine long, with no time-out to be seen."""
    with PsrpBackend(lab.settings(connect_timeout=30)) as backend:
        yield backend


def test_a_large_command(patient: PsrpBackend, fake: FakeBackend) -> None:
    """What doesn't fit into one request is sent in several, and arrives whole."""
    names = tuple(f"NoSuchService{number:06d}" for number in range(8000))
    patient.services(EX1, names)
    assert fake.calls[-1] == ("services", (EX1, names))


def test_a_large_command_whose_shell_goes(lab: Lab, patient: PsrpBackend) -> None:
    """A part of a command is no command; a look is asked again in a new shell."""
    names = tuple(f"NoSuchService{number:06d}" for number in range(8000))
    lab.faults.add(WireFault(kind=Wire.SHELL_GONE, action="Send"))
    assert len(patient.services(EX1, names)) == 2
