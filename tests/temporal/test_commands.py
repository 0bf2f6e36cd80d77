"""``popheal fleet``: what it refuses, and a healing that is asked, answered and exported."""

from __future__ import annotations

import asyncio
import json
import logging
from types import SimpleNamespace
from unittest.mock import patch

import pytest
from click import ClickException
from click.testing import CliRunner

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from popheal import Alert
from popheal.audit import check_journal
from popheal.backends.psrp.backend import ORGANISATION
from popheal.cli.app import popheal
from popheal.errors import ConfigurationError, FleetSilent
from tests.temporal.test_people import at_work

CONFIGURATION = """
[exchange]
servers = ["ex1.contoso.com"]
username = "popheal"
password_env = "FLEET_PASSWORD"
"""


def fleet_command(*args, **env):
    """Run it in this process; its exit status, and what it has said."""
    result = CliRunner().invoke(popheal, ["fleet", *args], env={"FLEET_PASSWORD": "x", **env})
    return result.exit_code, result.stdout, " ".join(result.stderr.split())


@pytest.fixture
def configuration(tmp_path):
    """Writes a configuration with more in it; gives its path."""

    def write(more):
        path = tmp_path / "popheal.toml"
        path.write_text(CONFIGURATION + more)
        return str(path)

    return write


def test_what_it_does_not_do_is_refused(configuration):
    status, _, said = fleet_command("worker")
    assert (status, "Give --engine, --config FILE, or both" in said) == (2, True)
    undecided = configuration("")
    status, _, said = fleet_command("heal", "ex1.contoso.com", "--config", undecided)
    assert (status, "does not say approval_from" in said) == (2, True)


def test_without_a_server_it_says_so():
    status, out, said = fleet_command("show", "ex1", TEMPORAL_ADDRESS="127.0.0.1:1")
    assert (status, out) == (2, "")
    assert "The Temporal server 127.0.0.1:1: can't be reached" in said
    assert "Set TEMPORAL_ADDRESS" in said


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("TEMPORAL_TLS_CLIENT_CERT_PATH", "/nowhere/cert.pem", "'/nowhere/cert.pem'"),
        ("TEMPORAL_PROFILE", "nowhere", "Profile 'nowhere' not found"),
        ("TEMPORAL_ADDRESS", "http://temporal.contoso.com:7233", "begins with http://"),
    ],
)
def test_settings_that_can_not_be_used_are_no_server_that_is_away(variable, value, said):
    """Nothing was tried, so no server is named, and none is to be started."""
    status, out, told = fleet_command("show", "ex1", **{variable: value})
    assert (status, out) == (2, "")
    assert told.startswith("popheal: Temporal's settings: can't be used")
    assert said in told
    assert "localhost" not in told
    assert "Mend TEMPORAL_... in the environment, or the profile" in told


def test_tls_for_a_server_that_speaks_none_is_told(fleet):
    known = {"TEMPORAL_ADDRESS": fleet.address, "TEMPORAL_TLS": "true"}
    status, _, said = fleet_command("healings", **known)
    assert (status, "can't be reached by TLS" in said) == (2, True)
    assert "See that it speaks TLS" in said


@pytest.mark.parametrize(
    "command",
    [
        ("worker", "--engine", "--current"),
        ("worker", "--site", "berlin"),
        ("heal", "ex1.contoso.com"),
        ("healings",),
        ("show", "ex1"),
    ],
)
def test_without_its_namespace_it_says_so(fleet, configuration, command):
    known = {"TEMPORAL_ADDRESS": fleet.address, "TEMPORAL_NAMESPACE": "nowhere"}
    if "ex1.contoso.com" in command or "--site" in command:
        command = (*command, "--config", configuration('[policy]\napproval_from = "never"\n'))
    status, out, said = fleet_command(*command, **known)
    assert (status, out) == (2, "")
    assert said.endswith("temporal operator namespace create nowhere")
    assert "defect" not in said


def test_a_build_of_which_no_worker_runs_takes_no_healings(monkeypatch):
    from popheal.cli.commands.fleet_worker import _make_current
    from popheal.temporal import operations

    async def missing(_client):
        raise RPCError("no Worker Deployment found", RPCStatusCode.NOT_FOUND, b"")

    monkeypatch.setattr(operations, "make_current", missing)
    with pytest.raises(ClickException, match="Give --engine as well"):
        asyncio.run(_make_current(SimpleNamespace(namespace="default")))


def test_that_the_fleet_is_silent_for_a_while_does_not_end_the_waiting(monkeypatch, capsys):
    """And only the healing that was begun is waited for, whatever its server has by then."""
    from popheal.cli.commands import fleet_client
    from popheal.temporal import listing

    answers = iter(["silent", "silent", "RUNNING", "CONTINUED_AS_NEW", "COMPLETED"])

    async def last(_client, workflow, first_run):
        assert (workflow, first_run) == ("of mbx1", "first")
        if (answer := next(answers)) == "silent":
            raise RPCError("tcp connect error", RPCStatusCode.UNAVAILABLE, b"")
        return SimpleNamespace(run_id=answer, status=WorkflowExecutionStatus[answer])

    monkeypatch.setattr(listing, "last_of_chain", last)
    monkeypatch.setattr(fleet_client, "_EVERY", 0.0)
    begun = SimpleNamespace(id="of mbx1", first_execution_run_id="first")
    assert asyncio.run(fleet_client._ended(None, begun, "mbx1")) == "COMPLETED"
    said = capsys.readouterr().err
    assert said.count("The fleet gives no answer: tcp connect error") == 1


def test_what_temporal_logs_is_said_in_a_sentence_and_not_again_and_again(capsys, monkeypatch):
    """Else its library writes tracebacks, and in colours, many times a second in an outage."""
    from popheal.cli import temporal_log

    logger = logging.getLogger("temporalio")
    monkeypatch.setattr(logger, "propagate", logger.propagate)
    monkeypatch.setattr(logger, "handlers", [])
    temporal_log.say_what_temporal_logs()
    temporal_log.say_what_temporal_logs()
    for run in ("01a22d6e-2304", "01a22d6e-2305"):
        error = ConfigurationError(source="The fleet", problem="has a key", next_step="Add it.")
        logger.getChild("worker").error("Failed handling activation of %s", run, exc_info=error)
    for times in range(9):
        logger.getChild("core").warning("poll retried %s times {'error': 'refused'}", times)
    failed, retried = capsys.readouterr().err.splitlines()
    assert failed == (
        "popheal: Temporal's library: Failed handling activation of 01a22d6e-2304: "
        "The fleet: has a key. Add it."
    )
    assert retried == "popheal: Temporal's library: poll retried 0 times {'error': 'refused'}"


def test_the_library_logs_where_python_does():
    from popheal.temporal.connection import _runtime

    assert _runtime() is _runtime()
    with patch("temporalio.runtime.Runtime.__init__", return_value=None) as made:
        _runtime.__wrapped__()
    logs = made.call_args.kwargs["telemetry"].logging
    assert logs.forwarding.logger.name == "temporalio.core"


@pytest.mark.parametrize("status", ["FAILED_PRECONDITION", "DEADLINE_EXCEEDED", "CANCELLED"])
def test_workers_are_looked_for_where_they_are_silent_whoever_has_waited_enough(status):
    """A client that has waited as long as the server would says that it was cancelled."""
    from popheal.cli.commands.fleet_client import in_words
    from popheal.gateway.silence import answered

    silent = RPCError("Timeout expired", RPCStatusCode[status], b"")

    async def ask():
        async with answered(by_worker=True):
            raise silent

    client, said = SimpleNamespace(namespace="default"), "See that a worker of the healing's build"
    with pytest.raises(ClickException, match=said), in_words(client):
        raise silent
    with pytest.raises(FleetSilent, match="The fleet's workers give no answer"):
        asyncio.run(ask())


def test_whoever_waits_for_a_healing_that_is_terminated_is_told_what_to_do(fleet):
    from popheal.cli.commands.fleet_client import report_of

    async def work():
        alert = Alert(server="mbx1.contoso.com")
        begun = await fleet.begin(alert, "terminated", "nobody")
        await begun.terminate(reason="by hand")
        with pytest.raises(ClickException) as told:
            await report_of(fleet.client, begun, "mbx1")
        return told.value.message

    said = fleet.run(work())
    assert said.startswith("The healing of mbx1 was terminated (by hand).")
    assert said.endswith("popheal fleet settle mbx1")


@pytest.mark.slow
def test_a_healing_that_is_asked_answered_and_exported(fleet, tmp_path):
    """By the names that a real organisation has."""
    server = {"TEMPORAL_ADDRESS": fleet.address}

    def say():
        while True:
            status, out, _ = fleet_command("show", "mbx1", "--json", **server)
            assert status == 0
            if asked := json.loads(out)["asked"]:
                plan = asked[0]["plan"]
                break
        assert f"approve mbx1 --plan {plan}" in fleet_command("show", "mbx1", **server)[1]
        status, _, said = fleet_command("approve", "mbx1", "--plan", "another", **server)
        assert (status, "It was not taken: it asks about" in said) == (2, True)
        assert fleet_command("approve", "mbx1", "--plan", plan, **server)[0] == 0

    report, _ = at_work(fleet, say, name=ORGANISATION)
    assert report["verdict"] == "recovered"
    status, out, said = fleet_command("export", "mbx1", **server)
    assert (status, said) == (0, "")
    path = tmp_path / "healing.jsonl"
    path.write_text(out)
    assert check_journal(path).ok
    status, _, said = fleet_command("stop", "mbx1", **server)
    assert (status, "The healing has ended, so there is nothing" in said) == (2, True)
    said = fleet_command("stop", "mbx9", **server)[2]
    assert "not found" in said
    assert said.endswith("See what there is: popheal fleet healings")
    assert "None" not in fleet_command("show", "mbx1", **server)[1]
    cleared = fleet_command(
        "clear", f"popheal/custodian/{ORGANISATION}/server/mbx1", "--why", "looked", **server
    )
    assert cleared[1] == "Free; before it was held by nobody.\n"
