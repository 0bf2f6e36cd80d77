"""What an engine of PowerShell itself answers: messages of the forms of [MS-PSRP].

They are made by hand, from the protocol's description and from what was seen of PowerShell 7, and
reach the real client over the lab. See tests/samples/recordings.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from popheal.backends.psrp import PsrpBackend
from popheal.backends.psrp.recording import read_recording
from popheal.errors import CommandFailed, NotAuthorised, PophealError, Unreachable
from popheal.lab import Lab, Replay
from popheal.lab import shells as module
from popheal.util.clock import VirtualClock
from tests.support.lab_backend import NOW
from tests.support.paths import ROOT

pytestmark = pytest.mark.lab

RECORDING = read_recording(ROOT / "tests" / "samples" / "recordings" / "engine.jsonl")


@pytest.fixture
def engine() -> Iterator[PsrpBackend]:
    replay = Replay(RECORDING, clock=VirtualClock(RECORDING.heading.at))
    with (
        Lab(replay, RECORDING.servers) as lab,
        PsrpBackend(lab.settings(RECORDING.heading.servers, busy_timeout=0)) as backend,
    ):
        yield backend


def raised(call: object, *arguments: object) -> PophealError:
    with pytest.raises(PophealError) as caught:
        call(*arguments)  # type: ignore[operator]
    return caught.value


def test_a_session_that_can_not_be_opened_says_why(engine: PsrpBackend) -> None:
    """In the far side's own words; and it is not said that the server does not answer."""
    error = raised(engine.host_status, "broken.example")
    assert isinstance(error, Unreachable)
    assert "no session could be opened there" in error.cause
    assert "module 'NoSuchModule' was not loaded" in error.cause
    assert "session configuration" in error.next_step


def test_a_parameter_that_a_role_lacks(engine: PsrpBackend) -> None:
    """Certainly nothing was begun; it is said which parameter, and that a role can give it."""
    error = raised(engine.set_activation_disabled, "role.example", True)
    assert isinstance(error, NotAuthorised)
    assert "'DatabaseCopyActivationDisabledAndMoveNow'" in error.cause
    assert error.command == "Set-MailboxServer"
    assert "management role that includes this parameter" in error.next_step


def test_a_cmdlet_that_a_role_lacks(engine: PsrpBackend) -> None:
    """Likewise."""
    error = raised(engine.move_database, "role.example", "DB01")
    assert isinstance(error, NotAuthorised)
    assert "'Move-ActiveMailboxDatabase'" in error.cause
    assert "management role that includes this cmdlet" in error.next_step


@pytest.mark.parametrize("server", ["constrained.example", "none.example", "jea.example"])
def test_an_endpoint_that_runs_no_scripts(server: str, engine: PsrpBackend) -> None:
    """It is said that this is it, and which configuration can, for looks and effects alike."""
    for error in (
        raised(engine.services, server, ("MSExchangePOP3",)),
        raised(engine.restart_service, server, "MSExchangePOP3"),
    ):
        assert isinstance(error, (CommandFailed, NotAuthorised))
        assert "in [winrm]" in error.next_step
        assert "full language mode" in error.next_step
        assert "Microsoft.PowerShell" in error.next_step


def test_an_error_of_a_script_is_no_certainty(engine: PsrpBackend) -> None:
    """Nobody knows how far it had got."""
    error = raised(engine.restart_service, "strict.example", "MSExchangePOP3")
    assert isinstance(error, CommandFailed)
    assert "'RequestorName' cannot be found" in error.cause


def test_values_as_they_come_from_an_engine(engine: PsrpBackend) -> None:
    """A letter, a time with an offset of its own, digits of 100 ns, enums, and escapes."""
    (row,) = engine.server_health("values.example")
    assert row.target == "C"
    assert row.alert_value == "Unhealthy"
    assert row.last_execution == datetime(2026, 1, 5, 8, tzinfo=UTC)
    assert row.last_transition == datetime(2026, 1, 5, 7, 30, 0, 123456, tzinfo=UTC)
    assert row.error == "-ERR\nGr\u00f6\u00dfe _x000A_ \U0001f4a9"


def test_one_object_where_there_may_be_several(engine: PsrpBackend) -> None:
    """It is no list, prints as nothing, and is one all the same; and nothing is no object."""
    group = engine.dag("values.example", "DAG1")
    assert group.members == group.operational == ("values",)
    assert group.primary_active_manager is None


def test_each_script_is_sent_with_a_scope_of_its_own(
    engine: PsrpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So it comes over the wire: what one leaves behind does not reach the next in that shell."""
    sent: list[tuple[str, bool]] = []
    original = module._asked

    def noting(event: object) -> object:
        (command,) = event.pipeline.commands  # type: ignore[attr-defined]
        sent.append((str(command.command_text), bool(command.use_local_scope)))
        return original(event)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "_asked", noting)
    for call, arguments in (
        (engine.services, (("MSExchangePOP3",),)),
        (engine.host_status, ()),
        (engine.pop_logs, ("", NOW, NOW)),
        (engine.recovery_actions, (NOW,)),
        (engine.start_service, ("MSExchangePOP3",)),
        (engine.restart_service, ("MSExchangePOP3",)),
        (engine.reboot, (NOW,)),
    ):
        raised(call, "strict.example", *arguments)
    assert len({text for text, _ in sent}) == len(sent) == 7
    assert all(scope for _, scope in sent)
    for text, _ in sent:
        # Whatever the endpoint's own start script has set.
        assert re.search(r"^Set-StrictMode -Off$", text, re.MULTILINE)
        assert re.search(r"^\$ErrorActionPreference = 'Stop'$", text, re.MULTILINE)
