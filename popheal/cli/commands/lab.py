"""``lab``: a simulated organisation, served over PowerShell remoting on loopback."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from attrs import asdict, frozen

from popheal.cli import completion
from popheal.cli.commands.rehearse import server_names
from popheal.cli.options import PATH
from popheal.cli.render.console import answer_file, say
from popheal.cli.signals import BrokenOff, obeying
from popheal.errors import ConfigurationError
from popheal.exchange.names import is_server_name
from popheal.tables.timing import Timing
from popheal.util.clock import SystemClock
from popheal.util.text import moment, one_line

if TYPE_CHECKING:
    from popheal.backends.psrp.recording import Recording
    from popheal.exchange.backend import Backend
    from popheal.lab import Replay

_USERNAME: Final = "lab"
_LAST_PORT: Final = 65535
#: Where the password comes from, and what it is otherwise. It guards a toy on loopback.
PASSWORD_VARIABLE: Final = "POPHEAL_LAB_PASSWORD"  # noqa: S105 - the name of a variable
DEFAULT_PASSWORD: Final = "rehearsal"  # noqa: S105 - said in the help text, on purpose

#: Not waits of the organisation, so its speed does not shorten them: the number of attempts,
#: and how long a real request may take.
_UNSCALED: Final = ("probe_attempts", "command_timeout")
#: However fast the organisation is, real requests take their time: no deadline is shorter
#: than this, and no pause between two looks.
_SHORTEST_DEADLINE: Final = 10.0
_SHORTEST_PAUSE: Final = 0.05


@click.command(short_help="Serve a simulated organisation on loopback.")
@click.argument("scenario", required=False, shell_complete=completion.scenarios)
@click.option(
    "--port",
    type=click.IntRange(0, _LAST_PORT),
    default=0,
    show_default="any free ones",
    metavar="N",
    help="Port of the first server; the others follow.",
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0, min_open=True, max=1000),
    default=60.0,
    show_default=True,
    metavar="X",
    help="How much faster than real time passes in the organisation, or in the replay.",
)
@click.option(
    "--config-out",
    type=PATH,
    metavar="FILE",
    help="Write the configuration there instead of to standard output.",
)
@click.option(
    "--replay",
    "recording",
    type=PATH,
    metavar="FILE",
    help="Serve what --record has written instead of a scenario.",
)
def lab(
    scenario: str | None,
    port: int,
    speed: float,
    config_out: Path | None,
    recording: Path | None,
) -> int:
    """Serve a simulated organisation over PowerShell remoting, on loopback, until Ctrl-C.

    Each server of SCENARIO gets a listener of its own with Exchange's endpoint and its plain
    one, so that everything but Exchange itself is real: try monitoring hooks and scripts on it.

    \b
      export POPHEAL_LAB_PASSWORD=rehearsal
      popheal lab mailbox-healed-by-reboot --port 8400 \\
        --config-out lab.toml
    and then, elsewhere:
      popheal heal mbx1.contoso.com --config lab.toml

    The user is "lab"; the password is what POPHEAL_LAB_PASSWORD says, else "rehearsal".

    With --replay FILE the answers are those of a recording, in their order. A command that is not
    in it is refused, and named here.
    """
    if scenario is not None and recording is not None:
        raise click.UsageError("Give a SCENARIO or --replay, not both.")
    from popheal.lab import Lab

    with obeying(patient=True):
        stage = _recorded(recording) if recording else _simulated(scenario, speed)
        password = os.environ.get(PASSWORD_VARIABLE) or DEFAULT_PASSWORD
        _check_room(port, len(stage.servers))
        try:
            with Lab(
                stage.served,
                stage.servers,
                port=port,
                username=_USERNAME,
                password=password,
                is_up=stage.is_up,
            ) as served:
                text = "\n".join(_configuration(served.addresses, stage, speed)) + "\n"
                answer_file(text, config_out, option="--config-out")
                _tell(served.addresses, stage, config_out, speed)
                while True:
                    time.sleep(3600)
        except BrokenOff:
            say("The lab is closed.")
    return 0


@frozen(kw_only=True)
class _Stage:
    """What is served, and for whom.

    Attributes:
        what: What it is, for the configuration's first line.
        title: The same for people, who read it first.
        endpoints: The servers whose Exchange endpoint is configured.
        command: The command to try on it, without ``--config``.
    """

    what: str
    title: str
    served: Backend | Replay
    servers: Sequence[str]
    endpoints: Sequence[str]
    is_up: Callable[[str], bool]
    command: str


def _simulated(scenario: str | None, speed: float) -> _Stage:
    from popheal.backends.simulated import DEFAULT_SCENARIO, load_scenario

    name = DEFAULT_SCENARIO if scenario is None else scenario
    played = load_scenario(name, SystemClock(speed))
    names = server_names(played)
    return _Stage(
        what=f"scenario {played.name}, {speed:g} times faster than real time",
        title=played.title,
        served=played.backend,
        servers=names,
        endpoints=names,
        is_up=played.organisation.answers,
        command=f"heal {_alert(played.server, played.health_set, played.monitor)}",
    )


def _recorded(path: Path) -> _Stage:
    from popheal.backends.psrp.recording import read_recording
    from popheal.lab import Replay

    recording = read_recording(path)
    heading, names = recording.heading, recording.servers
    told = {"server": names[0] if names else "", **heading.alert}
    if not names or not all(map(is_server_name, [*names, told["server"]])):
        problem = "it names no server, or one whose name is none"
        raise ConfigurationError(source=str(path), problem=problem)
    what = f"popheal {heading.command}" if heading.command else f"a program with {heading.popheal}"
    return _Stage(
        what=f"the recording {path}",
        title=f"{len(recording.commands)} commands of {one_line(what)}, {moment(heading.at)}",
        served=Replay(recording, on_missing=lambda command: say(f"Not recorded: {command}.")),
        servers=names,
        endpoints=heading.servers or names,
        is_up=lambda server: True,  # noqa: ARG005 - what was not, the recording knows
        command=_command_of(recording, told),
    )


def _command_of(recording: Recording, told: Mapping[str, str]) -> str:
    """The command that was recorded: another one asks what is not in there."""
    from popheal.backends.psrp import scripts

    name = recording.heading.command
    if name == "check":
        first = scripts.NAMES[scripts.ABOUT]  # what it asks of each server that it is to look at
        asked = dict.fromkeys(one.server for one in recording.commands if one.command == first)
        return one_line(" ".join([name, *filter(is_server_name, asked)]))
    if name == "snapshot":
        return "snapshot -o org.toml"
    known = name in ("triage", "plan", "heal")
    alert = _alert(told["server"], told.get("health_set"), told.get("monitor"))
    return f"{name if known else 'heal'} {alert}"


def _alert(server: str, health_set: str | None, monitor: str | None) -> str:
    named = {"--health-set": health_set, "--monitor": monitor}
    options = (f"{name} {shlex.quote(told)}" for name, told in named.items() if told)
    return one_line(" ".join([server, *options]))


def _of_its_clocks(speed: float) -> str:
    if speed == 1:
        return ""
    return f"Its clocks run {speed:g} times faster than this one: popheal check says so.\n"


def _check_room(port: int, needed: int) -> None:
    """Raises UsageError if the ports from this one on are too few."""
    highest = _LAST_PORT + 1 - needed
    if port > highest:
        raise click.UsageError(
            f"--port {port} is too high: this scenario needs {needed} ports in a row, one for "
            f"each server, so the first is {highest} at most."
        )


def _configuration(addresses: Mapping[str, str], stage: _Stage, speed: float) -> Iterator[str]:
    """A configuration for this lab, line by line."""
    first = next(iter(addresses.values())).rpartition(":")[2]
    servers = ", ".join(f'"{name}"' for name in stage.endpoints)
    yield f"# A lab on this machine: {stage.what}."
    for table, path in (("exchange", "PowerShell"), ("winrm", "wsman")):
        yield f"[{table}]"
        if table == "exchange":
            yield f"servers = [{servers}]"
        yield 'auth = "basic"'
        yield "ssl = false"
        yield f"port = {first}"
        yield f'path = "{path}"'
        yield f'username = "{_USERNAME}"'
        yield f'password_env = "{PASSWORD_VARIABLE}"'
        yield ""
    yield "[addresses]"
    for name, address in addresses.items():
        yield f'"{name}" = "{address}"'
    yield ""
    yield "[policy]"
    yield 'approval_from = "never"'
    yield ""
    yield "[timing]"
    for name, seconds in asdict(Timing()).items():
        if name not in _UNSCALED:
            yield f"{name} = {_scaled(name, seconds, speed):g}"


def _scaled(name: str, seconds: float, speed: float) -> float:
    shortest = _SHORTEST_DEADLINE if name.endswith("_deadline") else _SHORTEST_PAUSE
    return min(seconds, max(shortest, seconds / speed))


def _tell(addresses: Mapping[str, str], stage: _Stage, config: Path | None, speed: float) -> None:
    sys.stderr.write(f"{stage.title}\n")
    for name, address in addresses.items():
        sys.stderr.write(f"  {name} answers at http://{address} (/PowerShell and /wsman)\n")
    password = "the same as here" if os.environ.get(PASSWORD_VARIABLE) else DEFAULT_PASSWORD
    file = config or "FILE"
    where = "" if config else ", with the configuration above in FILE"
    sys.stderr.write(
        f"Try it from elsewhere{where}, with {PASSWORD_VARIABLE} set ({password}):\n"
        f"  popheal {stage.command} --config {file}\n"
        f"{_of_its_clocks(speed)}"
        "Ctrl-C closes the lab.\n"
    )
    sys.stderr.flush()
