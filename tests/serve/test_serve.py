"""Alerts over HTTP: a real server on loopback, asked by a real client, over a simulation."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import time

import pytest

pytest.importorskip("starlette", reason="needs popheal[serve]")
pytest.importorskip("uvicorn", reason="needs popheal[serve]")

from popheal import Journal
from popheal.errors import ConfigurationError
from popheal.serve import server
from popheal.serve.app import Service
from popheal.serve.bodies import MOST_BYTES
from popheal.serve.desk import JournalDesk
from popheal.serve.server import serve
from popheal.serve.settings import ServeSettings
from tests.support.served import PATIENCE, PEOPLE, Served, over_journal, token

MBX2 = "mbx2.contoso.com"
TEXT = """Alert: Health Set unhealthy
Source: MBX1 - POP.Protocol
Path: mbx1.contoso.com;mbx1.contoso.com
Alert description: POP.Protocol health set unhealthy (PopDeepTestMonitor/MSExchangePOP3BE)
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with Journal(tmp_path_factory.mktemp("serve") / "journal.db") as journal:
        service = Served(over_journal(journal))
        try:
            yield service
        finally:
            service.end()


@pytest.fixture(scope="module")
def asked(served):
    """A healing that somebody's alert has begun, and that asks for an approval."""
    answer = served.ask("boss", "POST", "/alerts", TEXT, "text/plain; charset=utf-8")
    assert answer.status == 202, answer.body
    assert answer.json["answer"] == "heals"
    assert answer.headers["location"] == f"/healings/{answer.json['healing']}"
    return served.when(answer.json["healing"], "asking")


# --- who asks ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer nobody's", f"Basic {token('ann')}", token("ann")],
)
def test_without_a_token_nothing_is_answered(served, authorization):
    given = {} if authorization is None else {"Authorization": authorization}
    for method, path in (("GET", "/healings"), ("POST", "/alerts"), ("GET", "/metrics")):
        answer = served.ask(None, method, path, **given)
        assert answer.status == 401
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("who", "method", "path"),
    [
        ("scom", "GET", "/healings"),
        ("scom", "GET", "/metrics"),
        ("scom", "POST", "/healings/any/approve"),
        ("ann", "POST", "/alerts"),
        ("prometheus", "POST", "/healings/any/stop"),
        ("prometheus", "POST", "/healings/any/refuse"),
    ],
)
def test_a_token_is_good_for_what_it_was_given_for(served, who, method, path):
    answer = served.ask(who, method, path, {} if method == "POST" else None)
    assert answer.status == 403
    assert f"The token of {who} is not one to" in answer.json["error"]


def test_whether_it_is_alive_needs_no_token_and_tells_nothing_else(served):
    answer = served.ask(None, "GET", "/alive")
    assert (answer.status, answer.json) == (200, {"watching": True})


def test_metrics_are_passed_on(served):
    answer = served.ask("prometheus", "GET", "/metrics")
    assert answer.body == "popheal_up 1\n"
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")


def test_no_token_is_told_to_anybody(served, asked):
    served.ask(None, "GET", "/healings", Authorization="Bearer a-wrong-one-typed-by-hand")
    told = "".join(map(repr, served.events)) + repr(served.watch)
    assert "request_answered" in {one.name for one in served.events}
    assert "a-wrong-one" not in told
    assert not any(token(name) in told for name in PEOPLE)


# --- alerts --------------------------------------------------------------------------------------


def test_the_same_alert_is_one_healing(served, asked):
    fields = {"server": "mbx1", "monitor": "PopDeepTestMonitor"}
    again = served.ask("scom", "POST", "/alerts", fields).json
    assert (again["answer"], again["healing"]) == ("waits", asked["id"])
    assert len(served.ask("ann", "GET", "/healings").json["healings"]) == 1


def test_a_server_that_is_well_is_left_alone(served):
    answer = served.ask("scom", "POST", "/alerts", {"server": MBX2}).json
    assert (answer["answer"], answer["healing"]) == ("nothing_unhealthy", None)


def test_an_unknown_server_can_not_be_looked_at(served):
    answer = served.ask("scom", "POST", "/alerts", {"server": "gone.contoso.com"}).json
    assert answer["answer"] == "could_not_look"
    assert "There is no server 'gone.contoso.com'" in answer["why"]


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        ("", "text/plain", 400, "The body is empty"),
        ("nothing to be read here", "text/plain", 400, "Which server? The alert names none. Give"),
        ("{", "application/json", 400, "no JSON"),
        ("[]", "application/json", 400, "no JSON object"),
        ("[" * 200_000, "application/json", 400, "no JSON"),
        ('{"server": 1}', "application/json", 400, '"server" is no text'),
        ('{"server": "ex1", "by": "ann"}', "application/json", 400, '"by" is not known'),
        ('{"server": "ex1 | Stop"}', "application/json", 400, "is not the name of a server"),
        ('{"server": "mbx1", "monitor": "Nope"}', "application/json", 400, "Nope"),
        (json.dumps({"server": MBX2, "text": TEXT}), "application/json", 400, "is about"),
        ("x" * (MOST_BYTES + 1), "text/plain", 413, "more than 1,000,000 bytes"),
        ("<xml/>", "application/xml", 415, "text/plain"),
    ],
)
def test_what_can_not_be_used_is_said(served, body, kind, status, said):
    answer = served.ask("scom", "POST", "/alerts", body, kind)
    assert answer.status == status
    assert said in answer.json["error"]


@pytest.mark.parametrize(
    "body", [b"Content-Length: 500\r\n\r\nmbx1", b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n"]
)
def test_whoever_hangs_up_in_the_middle_has_found_no_defect(served, body):
    host, _, port = served.url.removeprefix("http://").partition(":")
    known = len(served.events)
    head = f"POST /alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token('scom')}\r\n"
    with socket.create_connection((host, int(port)), PATIENCE) as connection:
        connection.sendall(head.encode() + body)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass  # until it is closed
    until, told = time.monotonic() + PATIENCE, []
    while not told and time.monotonic() < until:  # it is told of once that was seen
        time.sleep(0.02)
        told = [one for one in served.events[known:] if one.name == "request_answered"]
    assert [one.status for one in told] == [400]


def test_a_defect_is_told_in_the_log_as_well(served, monkeypatch):
    async def broken(_desk, **_asked):
        raise RuntimeError("with something that nobody should read")

    monkeypatch.setattr(JournalDesk, "healings", broken)
    assert served.ask("ann", "GET", "/healings").status == 500
    told = [one for one in served.events if one.name == "request_answered"]
    assert told[-1].refused == "a defect of popheal: RuntimeError"


def test_other_paths_and_methods(served):
    assert served.ask("boss", "GET", "/nothing").status == 404
    assert served.ask("boss", "DELETE", "/healings").status == 405
    assert served.ask("boss", "GET", "/healings/nothing").status == 404
    for newest in ("1e9", "0", "501", "0000000019", "1" * 5000):
        assert served.ask("boss", "GET", f"/healings?newest={newest}").status == 400


def test_who_says_nothing_keeps_nobody_out(served, monkeypatch):
    """As many as may be connected at once, without a token and without a whole request."""
    monkeypatch.setattr(server, "_SILENT", 0.5)
    host, _, port = served.url.removeprefix("http://").partition(":")
    said = (b"", b"POST /healings/any/stop HT", b"GET /alive HTTP/1.1\r\nHost: x\r\n\r\nGET /al")
    with contextlib.ExitStack() as opened:
        silent = [
            opened.enter_context(socket.create_connection((host, int(port)), PATIENCE))
            for _ in range(server._MOST)
        ]
        for number, one in enumerate(silent):
            one.sendall(said[number % len(said)])
        for one in silent:
            while one.recv(4096):
                pass  # until it is closed
    assert served.ask(None, "GET", "/alive").status == 200


# --- what people say -----------------------------------------------------------------------------


def test_the_beginning_of_an_id_is_not_enough(served, asked):
    for what in ("approve", "refuse", "stop"):
        body = {} if what == "stop" else {"plan": asked["asking"]["plan"]}
        answer = served.ask("ann", "POST", f"/healings/{asked['id'][:6]}/{what}", body)
        assert answer.status == 404


def test_what_has_not_ended_is_told_likewise(served, asked):
    """As JSON, with what it asks; and as a page."""
    assert asked["question"]["planned"]["procedure"] == "mailbox"
    assert {"kind": "server", "name": "mbx1"} in asked["claims"]
    open_now = served.ask("ann", "GET", "/healings?unfinished=1").json["healings"]
    assert [one["id"] for one in open_now] == [asked["id"]]
    page = served.ask("ann", "GET", f"/healings/{asked['id']}", Accept="text/html")
    assert "asking for an approval" in page.body


def test_half_a_character_is_no_defect(served, asked):
    answer = served.ask("ann", "POST", f"/healings/{asked['id']}/approve", '{"plan": "\\ud83d"}')
    assert answer.status == 409
    assert answer.json["error"].startswith("Plan ? of ")


def test_who_approves_is_the_owner_of_the_token(served, asked):
    """Whatever is said; and whoever has raised the alert is not another person."""
    path, plan = f"/healings/{asked['id']}/approve", asked["asking"]["plan"]
    pretended = served.ask("boss", "POST", path, {"plan": plan, "by": "ann"})
    assert pretended.status == 400
    refused = served.ask("boss", "POST", path, {"plan": plan})
    assert refused.status == 409
    assert "boss has begun or resumed this healing" in refused.json["error"]
    logged = [one for one in served.events if one.name == "request_answered" and one.refused]
    assert "boss has begun or resumed" in logged[-1].refused, "who was refused, and why, is logged"
    assert (logged[-1].by, logged[-1].status) == ("boss", 409)
    assert served.ask("ann", "POST", path, {}).status == 400
    other = served.ask("ann", "POST", path, {"plan": "0123456789abcdef"})
    assert other.status == 409
    granted = served.ask("ann", "POST", path, {"plan": plan})
    assert granted.status == 200
    assert (granted.json["outcome"], granted.json["by"]) == ("granted", "ann")
    assert served.ask("ann", "POST", path, {"plan": plan}).status == 409

    ended = served.when(asked["id"], "ended")
    assert ended["verdict"] == "recovered"
    assert ended["report"]["alert"]["raised_by"] == ["boss"]
    assert "MSExchangePOP3BE" in ended["report"]["alert"]["text"]
    stopped = served.ask("ann", "POST", f"/healings/{asked['id']}/stop", {})
    assert stopped.status == 409
    late = served.ask("ann", "POST", path, {"plan": plan})
    assert (late.status, "the healing has ended" in late.body) == (409, True)
    page = served.ask("ann", "GET", f"/healings/{asked['id']}", Accept="text/html,*/*")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "<h1>" in page.body
    assert page.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("server", "what", "status", "verdict"),
    [("MBX4", "refuse", 200, "held"), ("MBX5", "stop", 202, "cancelled")],
)
def test_a_plan_is_refused_and_a_healing_stopped(served, asked, server, what, status, verdict):
    """Refusing may anybody, also who has raised the alert."""
    # One at a time is healed of a group: the one before has ended, or ends now.
    served.ask("boss", "POST", f"/healings/{asked['id']}/stop", {})
    served.when(asked["id"], "ended")
    # It waits if the watch has not noticed yet that the healing before has ended.
    assert served.ask("boss", "POST", "/alerts", {"server": server}).json["answer"] in (
        "heals",
        "waits",
    )
    stands = served.when(served.healing_of(server), "asking")
    name = stands["id"]
    body = {} if what == "stop" else {"plan": stands["asking"]["plan"]}
    said = served.ask("boss", "POST", f"/healings/{name}/{what}", body)
    assert said.status == status
    assert what == "refuse" or said.json["stop_asked_at"]
    assert served.when(name, "ended")["verdict"] == verdict
    if verdict == "cancelled":
        again = {"why": "at work"}
        while "at work" in again["why"]:  # the watch has not noticed yet that it has ended
            again = served.ask("boss", "POST", "/alerts", {"server": server}).json
        assert (again["answer"], again["healing"]) == ("waits", name)
        assert "left to a person" in again["why"]


# --- where it listens ----------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "mail1.contoso.com"])
def test_tokens_cross_no_network_in_clear_text(host):
    with pytest.raises(ConfigurationError, match="would cross the network in clear text"):
        ServeSettings(host=host)
    assert ServeSettings(host=host, without_tls=True).host == host
    assert ServeSettings(host=host, certificate="c.pem", certificate_key="k.pem").host == host
    with pytest.raises(ConfigurationError, match="belong together"):
        ServeSettings(certificate="c.pem")


def test_a_port_that_is_taken_is_said(served):
    taken = ServeSettings(port=int(served.url.rpartition(":")[2]))
    service = Service(JournalDesk(served.watch, served.watch.journal), [])
    with pytest.raises(ConfigurationError, match=r"wants to listen at 127\.0\.0\.1"):
        asyncio.run(serve(service, served.watch, taken))
