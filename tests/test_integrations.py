"""The programs of the integration pages run, on a simulated organisation."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from importlib.util import module_from_spec, spec_from_file_location

import pytest

import popheal
from popheal import Alert, Journal, Verdict
from popheal.backends.simulated import load_scenario
from popheal.cli.app import popheal as command
from popheal.notify import Notifier
from popheal.verify import verify
from tests.support.paths import ROOT
from tests.support.programs import needs_program

EXAMPLES = ROOT / "docs" / "examples"
SERVER = "mbx1.contoso.com"
TOKEN = "a-token-of-this-test"


def example(name):
    """A program of the pages, as a module."""
    spec = spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Reaching:
    """Stands for the real backend: the next healing reaches this scenario."""

    def __init__(self, folder):
        self.config, self.journal = folder / "popheal.toml", folder / "journal.db"
        self.config.write_text(
            f'[exchange]\nservers = ["{SERVER}"]\n[journal]\npath = "journal.db"\n'
            '[policy]\napproval_from = "never"\n'
        )
        self.play("mailbox-healed-by-restart")

    def play(self, name):
        self.scenario = load_scenario(name)

    def __call__(self, settings):
        assert settings.exchange.servers == (SERVER,)
        return contextlib.nullcontext(self.scenario.backend)


@pytest.fixture
def reaching(tmp_path, monkeypatch):
    made = Reaching(tmp_path)
    monkeypatch.setenv("POPHEAL_CONFIG", str(made.config))
    monkeypatch.setattr("popheal.backends.psrp.PsrpBackend", made)
    return made


def broken_off(reaching, state):
    """A healing whose process has died in a state; its id."""

    class Died(BaseException):
        pass

    def die(event):
        if event.state == state:
            raise Died

    with Journal(reaching.journal) as journal:
        healer = popheal.Healer(reaching.scenario.backend, journal=journal, observers=[die])
        with pytest.raises(Died):
            healer.heal(Alert(server=reaching.scenario.server))
        (record,) = journal.healings(unfinished=True)
    return record.id


# --- a script ------------------------------------------------------------------------------------


@pytest.fixture
def handlers_as_before():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("scenario", "status", "said"),
    [
        ("mailbox-healed-by-restart", 0, "PopDeepTestMonitor: healed"),
        ("fault-survives-the-reboot", 1, "POP on mbx1.contoso.com: escalated\n\n# POP on mbx1"),
        ("maintenance", 3, "POP on mbx1.contoso.com: held\n\n"),
    ],
)
def test_the_script_heals_and_tells(reaching, handlers_as_before, capsys, scenario, status, said):
    reaching.play(scenario)
    assert example("heal_server").main(reaching.scenario.server) == status
    assert said in capsys.readouterr().out


def test_a_signal_stops_the_script_gently(reaching, handlers_as_before, capsys, monkeypatch):
    """What it has turned on is off again when it ends."""
    reaching.play("client-access-not-healed")
    script = example("heal_server")

    def told(event):
        if event.name == "transition" and event.source == "enabling_protocol_logging":
            signal.raise_signal(signal.SIGTERM)

    healer = popheal.Healer
    monkeypatch.setattr(
        popheal, "Healer", lambda *args, **options: healer(*args, observers=[told], **options)
    )
    assert script.main(reaching.scenario.server) == Verdict.CANCELLED.exit_status
    shown = capsys.readouterr().out
    assert "cancelled" in shown
    assert "protocol logging" in shown


# --- asyncio -------------------------------------------------------------------------------------


def test_the_service_goes_on_with_what_was_left_and_answers_alerts(reaching):
    reaching.play("mailbox-healed-by-reboot")
    left, told = broken_off(reaching, "awaiting_server"), []

    async def serve():
        with Journal(reaching.journal) as journal:
            healer = popheal.Healer(reaching.scenario.backend, journal=journal)
            service = example("alert_service").AlertService(healer, told.append)
            for server in ("mbx2", "nosuch", "cas1"):
                service.alerts.put_nowait(Alert(server=server))
            service.alerts.put_nowait(None)
            await service.run()

    asyncio.run(serve())
    assert [one.verdict for one in told if one.id == left] == [Verdict.RECOVERED]
    assert {one.server.partition(".")[0] for one in told} >= {"mbx1", "mbx2"}


def test_the_service_leaves_what_it_is_at(reaching):
    reaching.play("mailbox-healed-by-reboot")
    told = []

    async def serve():
        def leave(event):
            if event.state == "awaiting_server":
                service.leave()

        with Journal(reaching.journal) as journal:
            healer = popheal.Healer(reaching.scenario.backend, journal=journal, observers=[leave])
            service = example("alert_service").AlertService(healer, told.append)
            service.alerts.put_nowait(Alert(server=SERVER))
            await service.run()
            return [one.alive for one in journal.healings(unfinished=True)]

    assert asyncio.run(serve()) == [False]
    assert told == []


# --- FastAPI -------------------------------------------------------------------------------------


@pytest.fixture
def served(reaching):
    """Serves the application, from its start to its end, and gives a client of it."""
    pytest.importorskip("fastapi", reason="needs fastapi")
    httpx = pytest.importorskip("httpx", reason="needs httpx")

    @contextlib.asynccontextmanager
    async def serve(authorization=f"Bearer {TOKEN}"):
        with Journal(reaching.journal) as journal:
            healer = popheal.Healer(reaching.scenario.backend, journal=journal)
            app = example("fastapi_app").create_app(healer, TOKEN)
            client = httpx.AsyncClient(
                transport=httpx.ASGITransport(app=app),
                base_url="http://popheal",
                headers={"Authorization": authorization},
            )
            async with app.router.lifespan_context(app), client:
                yield client

    return serve


def test_an_alert_is_answered_and_can_be_asked_about(served):
    async def ask():
        async with served() as client:
            plan = await client.get("/servers/mbx1/plan")
            assert plan.json()["plan"][0]["procedure"] == "mailbox"
            begun = await client.post("/healings", json={"server": "mbx1", "text": "POP is down"})
            assert begun.status_code == 202, begun.text
            shown = (await client.get(begun.headers["Location"])).json()
            assert (shown["state"], shown["verdict"]) == ("ended", "recovered")
            assert shown["report"]["alert"]["text"] == "POP is down"
            assert (await client.delete(begun.headers["Location"])).status_code == 409, "it is over"

    asyncio.run(ask())


def test_what_can_not_be_answered_is_said(served):
    async def ask():
        async with served() as client:
            for way, path, body, status, said in (
                ("POST", "/healings", {"server": "nosuch"}, 422, "There is no server 'nosuch'"),
                ("POST", "/healings", {"server": "mbx1", "monitor": "X"}, 422, "no monitor 'X'"),
                ("POST", "/healings", {}, 422, "Field required"),
                ("GET", "/healings/nosuch", None, 404, "no such healing"),
                ("DELETE", "/healings/nosuch", None, 404, "no such healing"),
                ("GET", "/servers/nosuch/plan", None, 422, "There is no server 'nosuch'"),
            ):
                answer = await client.request(way, path, json=body)
                assert answer.status_code == status
                assert said in json.dumps(answer.json(), ensure_ascii=False)

    asyncio.run(ask())


@pytest.mark.parametrize("given", ["", "Bearer wrong", f"Basic {TOKEN}"])
def test_without_the_token_nothing_is_done(served, reaching, given):
    async def ask():
        async with served(given) as client:
            return (await client.post("/healings", json={"server": "mbx1"})).status_code

    assert asyncio.run(ask()) in (401, 403)
    with Journal(reaching.journal) as journal:
        assert journal.healings() == []


def test_the_application_goes_on_with_what_was_left(served, reaching):
    reaching.play("mailbox-healed-by-reboot")
    left = broken_off(reaching, "awaiting_server")

    async def ask():
        async with served() as client:
            while True:  # it goes on between two requests
                shown = (await client.get(f"/healings/{left}")).json()
                if shown["state"] == "ended":
                    return shown["verdict"]

    assert asyncio.run(asyncio.wait_for(ask(), 60)) == "recovered"


# --- Celery --------------------------------------------------------------------------------------


@pytest.fixture
def tasks(reaching):
    pytest.importorskip("celery", reason="needs celery")
    module = example("celery_tasks")
    module.app.conf.update(task_always_eager=True, task_eager_propagates=True)
    return module


def test_a_task_answers_an_alert(tasks):
    report = tasks.heal.delay("mbx1", monitor="PopDeepTestMonitor").get()
    assert json.loads(json.dumps(report))["verdict"] == "recovered"


def test_a_task_that_is_delivered_again_goes_on_with_the_first(tasks, reaching):
    reaching.play("mailbox-healed-by-reboot")
    left = broken_off(reaching, "awaiting_server")
    report = tasks.heal.delay(SERVER).get()
    assert (report["id"], report["verdict"]) == (left, "recovered")


def test_what_was_held_until_some_time_is_tried_again_then(tasks, reaching, monkeypatch):
    reaching.play("recovery-action-under-way")
    began, asked = reaching.scenario.clock.now(), []

    def retry(eta):
        asked.append(eta)
        return RuntimeError("asked again")

    monkeypatch.setattr(tasks.heal, "retry", retry)
    with pytest.raises(RuntimeError):
        tasks.heal.delay(reaching.scenario.server).get()
    assert 0 < (asked[0] - began).total_seconds() < 3600


def test_a_worker_that_ends_leaves_its_healing_to_another(tasks, reaching):
    from celery.exceptions import Reject

    reaching.play("mailbox-healed-by-reboot")
    tasks.worker_shutting_down.send(sender=None)
    assert isinstance(tasks.heal.apply([SERVER], throw=False).result, Reject)
    with Journal(reaching.journal) as journal:
        assert [one.alive for one in journal.healings(unfinished=True)] == [False]


# --- Nagios and Icinga ---------------------------------------------------------------------------

#: What the Monitoring Plugins' guidelines allow: one line, and performance data behind a bar.
NUMBER = r"-?\d+(\.\d+)?"
PERFORMANCE = rf"[\w.]+={NUMBER}(us|ms|s|%|B|c)?(;({NUMBER})?){{0,4}}"
LINE = re.compile(rf"POP [A-Z]+ - [^|\n]+( \| {PERFORMANCE}( {PERFORMANCE})*)?\n")


@pytest.mark.parametrize(
    ("scenario", "status", "said"),
    [
        ("nothing-wrong", 0, "POP OK"),
        ("transient", 0, "POP OK"),
        ("maintenance", 1, "POP WARNING"),
        ("mailbox-healed-by-reboot", 2, "POP CRITICAL - POP.Protocol\\PopDeepTestProbe: Failed"),
        ("unreachable", 3, "POP UNKNOWN"),
    ],
)
def test_the_plug_in_answers_with_a_line_and_a_status(reaching, capsys, scenario, status, said):
    reaching.play(scenario)
    plug_in = example("check_popheal")
    assert plug_in.main(["--config", str(reaching.config), reaching.scenario.server]) == status
    shown = capsys.readouterr().out
    assert shown.startswith(said)
    assert LINE.fullmatch(shown), shown
    assert "failing=1;;0;0" in shown if status == 2 else "failing=0;;0;0" in shown


@pytest.mark.parametrize("server", ["nosuch", SERVER])
def test_whatever_goes_wrong_the_plug_in_answers_unknown(reaching, capsys, monkeypatch, server):
    def fail(*_):
        raise RuntimeError("a | defect\nof two lines")

    plug_in = example("check_popheal")
    if server == SERVER:
        monkeypatch.setattr(plug_in, "load_config", fail)
    assert plug_in.main(["--config", str(reaching.config), server]) == 3
    assert LINE.fullmatch(capsys.readouterr().out)


@pytest.mark.slow
def test_a_silent_server_does_not_keep_the_plug_in(tmp_path):
    """It ends by itself, where Nagios would kill it without a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = tmp_path / "popheal.toml"
        config.write_text(
            f'[exchange]\nservers = ["{SERVER}"]\nusername = "x"\npassword_env = "SECRET"\n'
            f'auth = "ntlm"\nssl = false\nport = {silent.getsockname()[1]}\n'
            f'[addresses]\n"{SERVER}" = "127.0.0.1"\n'
        )
        program = [sys.executable, str(EXAMPLES / "check_popheal.py"), SERVER]
        done = subprocess.run(
            [*program, "--config", str(config), "--timeout", "1"],
            env={"SECRET": "x"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 3, done.stderr
    assert done.stdout == "POP UNKNOWN - no answer within 1 s\n"


# --- notifications, and a log of events ----------------------------------------------------------


@pytest.fixture
def hook(monkeypatch):
    """The receiver on loopback, and what it has handed on."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    got = []
    server = example("webhook_receiver").make_server(0, TOKEN, got.append)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_port, got
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_handover_reaches_the_receiver(hook):
    """From a healing, through the notifier and apprise, to whoever opens a ticket."""
    port, got = hook
    scenario = load_scenario("fault-survives-the-reboot")
    notifier = Notifier([f"json://127.0.0.1:{port}/popheal?+X-Token={TOKEN}"])
    report = popheal.heal(Alert(server=scenario.server), scenario.backend, observers=[notifier])
    (notification,) = got
    assert notification["type"] == "failure"
    assert notification["title"] == "popheal: escalated: mbx1.contoso.com"
    assert report.handover.commands[0] in notification["message"]


@pytest.mark.parametrize(
    ("token", "body", "status"),
    [
        (TOKEN, b'{"type": "failure", "title": "t", "message": "m"}', 204),
        ("wrong", b"{}", 403),
        (TOKEN, b"{}", 400),
        (TOKEN, b"[1]", 400),
        (TOKEN, b"\xff", 400),
        (TOKEN, b"x" * (256 * 1024 + 1), 413),
    ],
)
def test_the_receiver_takes_nothing_else(hook, token, body, status):
    port, got = hook
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/popheal", data=body, headers={"X-Token": token}
    )
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            said = answer.status
    except urllib.error.HTTPError as error:
        with error:
            said = error.code
    except (ConnectionError, urllib.error.URLError):
        said = 413  # it answers and closes while more is being sent
    assert said == status
    assert len(got) == (status == 204)


def test_what_a_person_must_know_is_in_the_event_log():
    class Kept(logging.Handler):
        def emit(self, record):
            kept.append((self.getMessageID(record), record.levelname, record.getMessage()))

    kept, scenario = [], load_scenario("fault-survives-the-reboot")
    observer = example("event_log").EventLog(Kept())
    popheal.heal(Alert(server=scenario.server), scenario.backend, observers=[observer])
    numbers = [number for number, _, _ in kept]
    assert numbers == [100] * (len(kept) - 2) + [300, 200]
    assert (100, "INFO", f"{SERVER}: Restart-Service MSExchangePOP3BE") in kept
    (handed_over,) = [one for one in kept if one[0] == 300]
    assert handed_over[1] == "ERROR"
    assert "Set-MailboxServer" in handed_over[2]


# --- systemd -------------------------------------------------------------------------------------

UNITS = sorted(path.stem for path in EXAMPLES.glob("*.service"))


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_calls_popheal_as_it_is(name):
    """Its command, and options that this command has."""
    unit = (EXAMPLES / f"{name}.service").read_text("utf-8")
    (called,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    program, subcommand, *options = shlex.split(called)
    assert program == "/opt/popheal/bin/popheal"
    known = {one for param in command.commands[subcommand].params for one in param.opts}
    assert {one for one in options if one.startswith("-")} <= known


@needs_program("systemd-analyze")
def test_systemd_takes_the_units(tmp_path):
    """All of them, and the timers, in one go."""
    paths = [*EXAMPLES.glob("*.service"), *EXAMPLES.glob("*.timer")]
    for path in paths:
        said = path.read_text("utf-8").replace("/opt/popheal/bin/popheal", sys.executable)
        (tmp_path / path.name).write_text(said, "utf-8")
    copies = [str(tmp_path / path.name) for path in paths]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *copies],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not [line for line in (done.stdout + done.stderr).splitlines() if "popheal" in line]
    assert done.returncode == 0


def test_each_timer_has_its_service():
    assert {path.stem for path in EXAMPLES.glob("*.timer")} <= set(UNITS)


# --- a procedure of one's own --------------------------------------------------------------------


def test_the_careful_procedure_keeps_all_properties_but_the_one_that_its_page_names():
    """It gives up where the runbook restarts the server; and it never does more than it says."""
    careful = example("my_procedures").CAREFUL
    proof = verify(careful)
    assert [one.property.id for one in proof.refuted] == ["P23"]
    page = (ROOT / "docs" / "own-procedure.md").read_text("utf-8")
    assert f"> P23 {proof.refuted[0].property.sentence}\n" in page
    assert proof.bounds.reboots == 0
    effects = {effect for one in careful.states for effect in one.action.effects}
    assert effects == {"restart_service"}


# --- the pages -----------------------------------------------------------------------------------


def test_every_example_is_on_a_page():
    """Each program and unit is shown, or linked to, by a page."""
    pages = "".join(path.read_text("utf-8") for path in ROOT.glob("docs/**/*.md"))
    for path in EXAMPLES.iterdir():
        if path.is_file():
            assert re.search(rf"examples/{re.escape(path.name)}", pages), path.name
