"""Programs that heal, as the pages show them: a script, asyncio, FastAPI, Celery."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal

import pytest

import popheal
from popheal import Alert, Journal, Verdict
from tests.support.examples import SERVER, TOKEN, broken_off, example

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
