"""A password, looked for everywhere that anything is written: logs, journals, reports, errors."""

from __future__ import annotations

import base64
import json
import logging
import os
import tempfile
import traceback
import urllib.parse
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

pytest.importorskip("psrpcore", reason="needs popheal[lab]")

import structlog
from attrs import asdict

from popheal import Journal, heal
from popheal.backends.psrp import PsrpBackend, Secret
from popheal.backends.simulated import load_scenario, scenario_names
from popheal.config.load import Config, load_config
from popheal.errors import BackendError, NotAuthorised, PophealError, Unreachable
from popheal.lab import Lab, LabClock
from tests.cli.test_over_lab import PASSWORD, lab, run
from tests.evidence.crashes import FAST
from tests.support.healing import alert_of
from tests.support.lab_process import PROCESSES, end_of, start

CANARY = "Kanarien & 'vogel' \"7f3a\" <im Bergwerk>"
VARIABLE = "POPHEAL_CANARY"
WRONG = "not-the-canary-but-as-secret-as-it"
#: How many processes share the scenarios.
SHARES = 2


def disguises(secret: str) -> dict[str, bytes]:
    """The forms in which a password may show itself, of each its bytes."""
    forms = {
        "plain": secret,
        "repr": repr(secret)[1:-1],
        "json": json.dumps(secret)[1:-1],
        "url": urllib.parse.quote(secret),
        "escaped": secret.encode("unicode_escape").decode(),
        "xml": secret.replace("&", "&amp;"),
        "reversed": secret[::-1],
    }
    encoded = {name: text.encode() for name, text in forms.items()}
    for code in ("utf-8", "latin-1"):
        encoded[f"basic, {code}"] = base64.b64encode(f"lab:{secret}".encode(code))
        encoded[f"base64, {code}"] = base64.b64encode(secret.encode(code))
    encoded["utf-16"] = secret.encode("utf-16-le")
    encoded["hex"] = secret.encode().hex().encode()
    return encoded


FORMS = [*disguises(CANARY).items(), *disguises(WRONG).items()]


def leaks(where: str, *written: object) -> list[str]:
    """Where, and in which form, the canary is in what was written."""
    found = []
    for one in written:
        data = one if isinstance(one, bytes) else str(one).encode("utf-8", "surrogatepass")
        found += [f"{where}: {name}" for name, form in FORMS if form in data]
    return found


# --- everything that is written ------------------------------------------------------------------


class Everything(logging.Handler):
    """Keeps every log record of every library, with all that is attached to it."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(f"{self.format(record)} {record.__dict__!r}")


@contextmanager
def overheard(*, configured: bool) -> Iterator[Everything]:
    """Everything that is logged meanwhile, by whatever library, at the lowest level.

    Args:
        configured: Whether the program has configured structlog.
    """
    handler, root = Everything(), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    if configured:

        def keep(_logger, _method, event):
            handler.lines.append(repr(event))
            raise structlog.DropEvent

        structlog.configure(processors=[structlog.processors.format_exc_info, keep])
    try:
        yield handler
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        structlog.reset_defaults()


def configured(folder: Path, served: Lab) -> Config:
    """The configuration of somebody who uses the lab, with the password in a variable."""
    lines = ["[exchange]", f"servers = {json.dumps(list(served.addresses))}"]
    for section in ("", "[winrm]"):
        lines += [section, 'auth = "basic"', 'username = "lab"', f'password_env = "{VARIABLE}"']
    lines += ["[addresses]"]
    lines += [f'"{name}" = "{address}"' for name, address in served.addresses.items()]
    lines += ["[policy]", 'approval_from = "never"']
    file = folder / "popheal.toml"
    file.write_text("\n".join(lines), "utf-8")
    return load_config(file)


def files_of(folder: Path) -> list[bytes]:
    return [one.read_bytes() for one in folder.iterdir() if one.name.startswith("journal")]


def told(error: BaseException) -> list[str]:
    """An error as anybody may show it, with every variable of every frame that it came through."""
    whole = traceback.TracebackException.from_exception(error, capture_locals=True)
    return [str(error), repr(error), repr(vars(error)), "".join(whole.format())]


def played(name: str, number: int, *, well: bool = True) -> tuple[list[str], int]:
    """Heal a scenario over remoting; the leaks, and how many lines were logged.

    Args:
        well: Whether it ends as it does everywhere.
    """
    scenario = load_scenario(name)
    organisation = scenario.organisation
    with organisation.present() as world:
        servers = [one.fqdn for one in world.servers]
    events: list[object] = []
    with (
        tempfile.TemporaryDirectory(dir=FAST) as place,
        overheard(configured=number % 2 == 0) as log,
        patch.dict(os.environ, {VARIABLE: CANARY}),
        Lab(scenario.backend, servers, is_up=organisation.answers, password=CANARY) as served,
    ):
        folder = Path(place)
        config = configured(folder, served)
        clock = LabClock(scenario.backend.clock, served)
        with PsrpBackend(config.settings) as backend, Journal(folder / "journal") as journal:
            report = heal(
                alert_of(scenario),
                backend,
                clock=clock,
                journal=journal,
                policy=config.policy,
                observers=[lambda event: events.append((event, repr(event), asdict(event)))],
            )
            found = leaks("journal", *files_of(folder))
            shown = [config, config.settings, backend, journal, report, vars(backend)]
            found += leaks("objects", *map(repr, shown), *map(str, shown))
        found += leaks("journal, closed", *files_of(folder))
    assert well == (report.verdict.value == scenario.expected.verdict), report.summary
    found += leaks("report", json.dumps(report.to_json()), report.to_json(), report.to_markdown())
    found += leaks("handover", repr(report.handover))
    found += leaks("events", repr(events))
    found += leaks("log", *log.lines)
    return [f"{name}: {one}" for one in found], len(log.lines)


#: Each fifth scenario in the order of the alphabet. Their names begin with what they are about.
SAMPLE = scenario_names()[::5]


def play_share(share: int, pipe) -> None:
    """In a process of its own: every so manieth of the sample."""
    results = [
        played(name, number) for number, name in enumerate(SAMPLE) if number % SHARES == share
    ]
    pipe.send(([one for found, _ in results for one in found], sum(n for _, n in results)))


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.lab
def test_the_password_is_in_nothing_that_is_written():
    """Logs of every library at DEBUG, journal with its log, report, page, events, and objects."""

    def wait_for(share: int) -> tuple[list[str], int]:
        near, far = PROCESSES.Pipe()
        process = start(play_share, share, far)
        far.close()
        answer = near.recv()
        end_of(process)
        return answer

    with ThreadPoolExecutor(SHARES) as pool:
        results = list(pool.map(wait_for, range(SHARES)))
    assert [one for found, _ in results for one in found] == []
    # The libraries below did log, and so could have told.
    assert all(lines > 1000 for _, lines in results)


# --- errors --------------------------------------------------------------------------------------


CALLS = {
    "server_health": ("mbx1.contoso.com",),
    "host_status": ("mbx1.contoso.com",),
    "set_activation_disabled": ("mbx1.contoso.com", True),
    "restart_service": ("mbx1.contoso.com", "MSExchangePOP3BE"),
}


@pytest.mark.parametrize("method", CALLS)
@pytest.mark.parametrize("trouble", ["wrong", "refused"])
def test_the_password_is_in_no_error(tmp_path, monkeypatch, method, trouble):
    """Not in the error's text, its fields, or any variable of any frame it came through."""
    monkeypatch.setenv(VARIABLE, WRONG if trouble == "wrong" else CANARY)
    with (
        overheard(configured=False) as log,
        Lab(load_scenario("nothing-wrong").backend, ["mbx1.contoso.com"]) as served,
    ):
        config = configured(tmp_path, served)
        if trouble == "refused":
            served.close()
        with PsrpBackend(config.settings) as backend:
            with pytest.raises(BackendError) as caught:
                getattr(backend, method)(*CALLS[method])
            shown = told(caught.value)
            chain = [caught.value.__context__, caught.value.__cause__]
    assert isinstance(caught.value, NotAuthorised if trouble == "wrong" else Unreachable)
    assert leaks("error", *shown, *map(repr, chain)) == []
    assert leaks("log", *log.lines) == []


@pytest.mark.parametrize(
    "broken",
    [
        'password = "{}"',
        'passwort_env = "{}"',
        'username = 7\npassword_env = "' + VARIABLE + '"\nproxy = "http://lab:{}@proxy"',
        'password_env = "{}"',
    ],
)
def test_the_password_is_in_no_error_about_a_configuration(tmp_path, monkeypatch, broken):
    """Though it stands in the file, where it must not."""
    monkeypatch.setenv(VARIABLE, CANARY)
    file = tmp_path / "popheal.toml"
    text = broken.format(WRONG)
    file.write_text(f'[exchange]\nservers = ["a.b"]\nauth = "basic"\n{text}\n', "utf-8")
    with pytest.raises(PophealError) as caught:
        load_config(file)
    assert leaks("error", str(caught.value), repr(caught.value), repr(vars(caught.value))) == []


# --- the command line ----------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.lab
def test_the_password_is_in_nothing_that_the_command_line_says(tmp_path):
    """Each run asserts by itself that it isn't in what was said; here also in what was kept."""
    journal, more = tmp_path / "journal", []
    with lab(tmp_path, "mailbox-healed-by-restart") as config:
        options = ("--verbose", "--config", config, "--journal", journal)
        more.append(run("heal", "mbx1", *options, password="not-the-password"))
        more.append(run("heal", "mbx1", *options))
        more.append(run("heal", "mbx1", "--json", *options))
    more.append(run("heal", "mbx1", *options))
    assert [one.returncode for one in more] == [4, 0, 0, 4], more[1].stderr
    assert "action_started" in more[1].stderr
    for one in more:
        assert PASSWORD not in one.stdout + one.stderr
        assert base64.b64encode(f"lab:{PASSWORD}".encode()).decode() not in one.stdout + one.stderr
    written = b"".join(files_of(tmp_path))
    assert b"PopDeepTestMonitor" in written
    for form in disguises(PASSWORD).values():
        assert form not in written


# --- the detector --------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "form"), FORMS)
def test_the_detector_finds_each_form(name, form):
    assert f"here: {name}" in leaks("here", b"before " + form + b" after")


def test_the_detector_finds_a_leak_wherever_it_may_be():
    """A control: with a secret that shows itself, and one that is logged."""

    def talk(_backend, server):
        logging.getLogger("urllib3").debug("Authorization: %s", CANARY)
        raise Unreachable(server=server, command="talk", cause=f"no route for {CANARY}")

    with (
        patch.object(Secret, "__repr__", Secret.reveal),
        patch.object(PsrpBackend, "server_info", talk),
    ):
        found, _ = played("nothing-wrong", 1, well=False)
    places = {one.split(": ")[1] for one in found}
    assert places >= {
        "journal",
        "journal, closed",
        "objects",
        "report",
        "handover",
        "events",
        "log",
    }
