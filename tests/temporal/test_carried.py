"""What is carried between a workflow and a site comes back as what it was."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")

from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    RetryState,
    TimeoutType,
)
from temporalio.exceptions import (
    TimeoutError as ActivityTimeout,
)

from popheal import errors
from popheal.backends.simulated import load_scenario
from popheal.engine.not_commanded import EffectInterrupted
from popheal.exchange.backend import EFFECTS, LOOKS, Backend
from popheal.temporal import carried
from popheal.temporal.converter import DATA_CONVERTER
from popheal.temporal.custody import Begun, Claimant, Custody
from popheal.temporal.rest import same_apart_from_time
from popheal.util.serialize import to_jsonable

SERVER = "mbx1.contoso.com"
AT = datetime(2026, 1, 5, 8, tzinfo=UTC)
BACKEND_ERRORS = [
    kind(server=SERVER, command="Get-Thing", cause="it said no", next_step="Ask again.")
    for kind in (
        errors.Unreachable,
        errors.NotAuthorised,
        errors.CommandFailed,
        errors.OutcomeUnknown,
        errors.Unreadable,
    )
] + [errors.NotBegun(server=SERVER, command="reboot", cause="no", reason="boot_time")]


def failed(cause):
    """An activity that has ended so, as a workflow sees it."""
    error = ActivityError(
        "activity failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="",
        activity_type="effect",
        activity_id="1",
        retry_state=RetryState.NON_RETRYABLE_FAILURE,
    )
    error.__cause__ = cause
    return error


def raised_by(error):
    with pytest.raises(ApplicationError) as raised:
        carried.fail(error)
    return raised.value


@pytest.mark.parametrize("error", BACKEND_ERRORS, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize("read", [carried.of_look, carried.of_effect])
def test_errors_come_back(error, read):
    found = read(failed(raised_by(error)), SERVER, "reboot")
    assert (type(found), str(found), vars(found)) == (type(error), str(error), vars(error))
    assert raised_by(error).non_retryable


def test_a_server_that_is_unknown_comes_back():
    error = errors.UnknownName(kind="server", name="ex9", known=["ex1"])
    assert str(carried.of_look(failed(raised_by(error)), SERVER, "server_info")) == str(error)


TIMED_OUT = {
    kind: ActivityTimeout("timed out", type=kind, last_heartbeat_details=[])
    for kind in (TimeoutType.SCHEDULE_TO_START, TimeoutType.START_TO_CLOSE)
}


@pytest.mark.parametrize(
    ("cause", "becomes"),
    [
        (TIMED_OUT[TimeoutType.SCHEDULE_TO_START], errors.Unreachable),  # never begun
        (ApplicationError("none of that name", type="NotFoundError"), errors.NotBegun),
        (TIMED_OUT[TimeoutType.START_TO_CLOSE], EffectInterrupted),
        (ApplicationError("it has begun already", type=carried.LATCH_TAKEN), EffectInterrupted),
        (ApplicationError("leaving", type="WorkerShutdown"), EffectInterrupted),
        (None, EffectInterrupted),
    ],
)
def test_an_effect_was_not_begun_or_nobody_knows(cause, becomes):
    assert type(carried.of_effect(failed(cause), SERVER, "reboot")) is becomes


def test_what_a_backend_must_not_raise_is_no_answer():
    cause = raised_by(ZeroDivisionError("division by zero"))
    assert type(carried.of_effect(failed(cause), SERVER, "reboot")) is errors.OutcomeUnknown
    found = carried.of_look(failed(cause), SERVER, "services")
    assert str(found) == "ZeroDivisionError: division by zero"


def test_answers_come_back():
    """Each look of the simulated organisation, as a site's worker sends it."""
    backend = load_scenario("mailbox-healed-by-reboot").backend
    more = {
        "dag": ("DAG1",),
        "invoke_probe": ("POP.Protocol\\PopDeepTestProbe",),
        "monitoring_items": ("POP.Protocol",),
        "copies_of": (backend.databases(SERVER)[0].name,),
        "services": (("MSExchangePOP3BE",),),
        "pop_logs": (backend.pop_settings(SERVER).log_location, AT - timedelta(hours=1), AT),
        "recovery_actions": (AT - timedelta(days=1),),
    }
    for name in LOOKS:
        args = (SERVER, *more.get(name, ()))
        asked = carried.read_args(name, [to_jsonable(one) for one in args])
        answer = getattr(backend, name)(*asked)
        again = carried.read_value(name, to_jsonable(answer))
        assert again == answer or list(again) == list(answer), name


def test_arguments_of_effects_come_back():
    args = {"reboot": (AT,), "set_component_state": ("PopProxy", True, "HealthAPI")}
    for name in EFFECTS:
        sent = (SERVER, *args.get(name, (True if name.startswith("set_") else "one",)))
        assert carried.read_args(name, [to_jsonable(one) for one in sent]) == sent
        assert hasattr(Backend, name)


def test_only_time_may_differ():
    seen = {"boot_time": "1", "local_time": "2", "nodes": [{"state": "Up", "started": "1"}]}
    later = {"boot_time": "1", "local_time": "3", "nodes": [{"state": "Up", "started": "4"}]}
    assert same_apart_from_time(seen, later)
    assert not same_apart_from_time(seen, {**later, "boot_time": "2"})
    assert not same_apart_from_time([], [seen])


def test_records_travel_by_their_types():
    begun = Begun(healing="a", effect="1", nonce="n", server=SERVER, what="reboot", at=AT)
    holder = Claimant(healing="a", workflow="w", first_run="r")
    custody = Custody(token=7, holder=holder, since=AT, begun=(begun,))
    converter = DATA_CONVERTER.payload_converter
    (payload,) = converter.to_payloads([custody])
    assert payload.metadata["encoding"] == b"json/popheal"
    assert converter.from_payloads([payload], [Custody]) == [custody]
    payload.metadata["version"] = b"2"
    with pytest.raises(ValueError, match="version"):
        converter.from_payloads([payload], [Custody])
