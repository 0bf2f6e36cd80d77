"""An alert as text, as a monitoring system or an event log words it: who it is about, and what.

There is no one form: Operations Manager sends mails, the event log has XML, a shell prints lists
and tables. So nothing is parsed as a whole; what can be told for certain is looked for, and the
rest is reported. The text decides nothing: what is unhealthy is asked of the server.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, takewhile
from typing import Final

from attrs import frozen

from popheal.exchange.names import same_server, short_name
from popheal.healthsets.pop.catalog import HEALTH_SETS, MONITORS, find_monitor

#: As much of an alert as is kept; what caused it stands near its beginning.
LONGEST: Final = 20_000

_HOST: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,62})(?:\.[A-Za-z0-9][A-Za-z0-9-]{0,62}){0,8}"
#: What stands before the name of a server, in fields of lists, mails and XML. The first that is
#: there counts: ``Path`` has the name in full, ``Source`` may be anything.
_SERVER_FIELDS: Final = (
    r"Failing Server",
    (
        r"Server ?Name|Server|MachineName|Machine|Computer ?Name|Computer|Host ?name|FQDN"
        r"|Serveur|Ordinateur|Servidor|Equipo"
    ),
    r"Path|Pfad|Chemin(?: d.acc[eè]s)?|Ruta de acceso|Percorso|Configuration item|CI|Host|Node",
    r"PrincipalName|LoggingComputer|Logging Computer|Monitored Computer",
    r"Source",
)
_AFTER_FIELD: Final = r"[\"']?\s*[:=>]\s*[\"'\[]?"
#: What makes a server one that the alert is not about: who reports it, or what mail passes.
_OTHER_SERVERS: Final = "".join(
    rf"(?<!\b{one}[ _-])"
    for one in (
        *("management", "gateway", "reporting", "monitoring", "witness", "backup", "file", "web"),
        *("smtp", "mail", "dns", "proxy", "relay", "syslog", "time", "license", "update", "name"),
    )
)
#: Words of a sentence that a server's name follows; a short name only behind the word "server".
_SERVER_WORDS: Final = re.compile(
    rf"\b(?:on|auf|sur|en) +(?:(?:the|dem|le|el) +)?(?:(?:Mailbox|Client Access|Exchange) +)?"
    rf"(?:(?:server|computer|serveur|servidor) +[\"']?(?P<short>{_HOST})"
    rf"|[\"']?(?P<full>{_HOST}\.{_HOST}))"
    rf"|\b{_OTHER_SERVERS}(?:server|serveur|servidor) +[\"']?(?P<alone>{_HOST}\.{_HOST})",
    re.IGNORECASE,
)
#: The server that a command was asked about. By position, the name counts only where it can't be
#: a word of a sentence.
_ASKED: Final = re.compile(
    rf"\b(?:Get-ServerHealth|Get-HealthReport|Invoke-MonitoringProbe)\b"
    rf"(?:[^|\n]{{0,200}}?[ ]-(?:Identity|Server)[ :]+[\"']?(?P<named>{_HOST})"
    rf"|[ ]+[\"'](?P<quoted>{_HOST})[\"']|[ ]+(?P<full>{_HOST}\.{_HOST}))",
    re.IGNORECASE,
)
#: The heading of a table as a shell prints it, whose first column has the server; a long heading
#: goes on in further lines. Below it, each row begins under the dashes.
_HEADING: Final = re.compile(r"\s*(?:Server|Server ?Name|MachineName)\s+\w", re.IGNORECASE)
_HEADING_LINES: Final = 3
_DASHES: Final = re.compile(r"(?P<indent>\s*)-{2,}(?:\s+-+)+")
_FIRST_CELL: Final = re.compile(rf"(?P<host>{_HOST})(?P<cut>\.\.\.|…)?(?=\s|$)")
#: Whoever names so many names none for certain.
_MOST_SERVERS: Final = 50
_NO_SERVER: Final = {"localhost", "unknown", "n", "system", "this", "the", "a"}
#: What writes such alerts is no server either.
_SOURCES: Final = ("microsoft-exchange", "msexchange")
_HEALTH_SET_NAMES: Final = frozenset(one.casefold() for one in HEALTH_SETS)

_HEALTH_SET: Final = re.compile(
    r"\bHealth[ _]?Set(?: ?Name)?[\"']?\s*[:=>]\s*[\"']?(?P<field>[\w.]+)"
    r"|(?P<before>\b[A-Za-z][\w.]{0,60}) health ?set\b"
    r"|\bhealth set (?:of |named )?[\"'](?P<quoted>[\w.]+)[\"']"
    r"|\b(?P<alone>POP\.(?:Protocol|Proxy))\b",
    re.IGNORECASE,
)
_MONITOR: Final = re.compile(r"\b\w{1,80}(?:Monitor|Probe)\b", re.IGNORECASE)
_ENTITY: Final = {"&lt;": "<", "&gt;": ">", "&quot;": '"', "&apos;": "'", "&amp;": "&"}
#: Words before "health set" in a sentence that name none.
_NO_HEALTH_SET: Final = {"the", "a", "this", "that", "exchange", "each", "following", "its"}
#: Ends in Monitor or Probe, and is no monitor.
_NO_MONITOR: Final = {"monitor", "probe", "servermonitor", "windowsmonitor"}


@frozen(kw_only=True)
class AlertText:
    """What an alert's text says.

    Attributes:
        servers: The servers that it may be about; one, if all is well.
        health_set: The health set of POP that it names; None if none, or several.
        monitor: The monitor that it names; None if none, or several.
        text: The text, cleaned and cut short.
        unclear: What could not be made use of, each a sentence.
    """

    servers: tuple[str, ...]
    health_set: str | None
    monitor: str | None
    text: str
    unclear: tuple[str, ...] = ()


def read_alert(text: str) -> AlertText:
    """Find the server, the health set and the monitor in an alert.

    Args:
        text: As it was pasted or piped; lines may end in any way.
    """
    text = _cleaned(text)
    plain = _without_entities(text)
    monitors, strange = _monitors(plain)
    health_sets, others = _health_sets(plain)
    monitor = monitors[0] if len(monitors) == 1 else None
    health_set = health_sets[0] if len(health_sets) == 1 else None
    known = find_monitor(monitor) if monitor else None
    unclear = [
        *_said("the text names several monitors of POP", monitors, least=2),
        *_said("the text names several health sets of POP", health_sets, least=2),
        *_said("not a monitor of POP that there is a recipe for", strange),
        *_said("not a health set of POP", others),
    ]
    if known and health_set and known.health_set != health_set:
        unclear.append(f"{known.name} is of the health set {known.health_set}, not {health_set}")
    if known:
        health_set = known.health_set
    if not monitors and not health_sets:
        unclear.append("the text names no monitor and no health set of POP")
    servers = _servers(plain)
    if not servers:
        unclear.append("the text names no server")
    return AlertText(
        servers=servers,
        health_set=health_set,
        monitor=monitor,
        text=text,
        unclear=tuple(unclear),
    )


def decode_alert(data: bytes) -> str:
    """The text in bytes that a file or a pipe gave: UTF-8, or UTF-16 as Windows writes it."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", "replace")
    if data[1:2] == b"\0":
        return data.decode("utf-16-le", "replace")
    return data.decode("utf-8-sig", "replace")


def _cleaned(text: str) -> str:
    """Without what a terminal would obey, and cut short."""
    lines = text[: 2 * LONGEST].splitlines()
    kept = ["".join(c if c.isprintable() else " " for c in line).rstrip() for line in lines]
    return "\n".join(kept).strip()[:LONGEST]


def _without_entities(text: str) -> str:
    for entity, character in _ENTITY.items():
        text = text.replace(entity, character)
    return text


def _monitors(text: str) -> tuple[list[str], list[str]]:
    """The monitors of POP that are named, directly or by their probe; and other names like them."""
    by_probe = {one.probe.rpartition("\\")[2].casefold(): one.name for one in MONITORS if one.probe}
    found: dict[str, None] = {}
    strange: dict[str, None] = {}
    for word in dict.fromkeys(_MONITOR.findall(text)):
        known = find_monitor(word)
        name = known.name if known else by_probe.get(word.casefold())
        if name:
            found[name] = None
        elif word.casefold() not in _NO_MONITOR:
            strange[word] = None
    return list(found), list(strange)


def _health_sets(text: str) -> tuple[list[str], list[str]]:
    known = {name.casefold(): name for name in HEALTH_SETS}
    found: dict[str, None] = {}
    others: dict[str, None] = {}
    for match in _HEALTH_SET.finditer(text):
        word = next(one for one in match.groups() if one).rstrip(".")
        if word.casefold() in known:
            found[known[word.casefold()]] = None
        elif word.casefold() not in _NO_HEALTH_SET and word[:1].isupper():
            others[word] = None
    # POP.Protocol's own name says more than that of the set around it.
    nearer = [name for name in found if "." in name]
    return nearer or list(found), list(others)


def _servers(text: str) -> tuple[str, ...]:
    """The servers named by the first kind of field that names any.

    Else by a command that was given, by a table of rows, or by a sentence.
    """
    for fields in _SERVER_FIELDS:
        pattern = rf"(?:^|[\s<,;(|{{\"']){_OTHER_SERVERS}(?:{fields}){_AFTER_FIELD}({_HOST})"
        found = _distinct(re.findall(pattern, text, re.IGNORECASE | re.MULTILINE))
        if found:
            return found
    ways = (
        (m["named"] or m["quoted"] or m["full"] for m in _ASKED.finditer(text)),
        _first_cells(text.splitlines()),
        (m["short"] or m["full"] or m["alone"] for m in _SERVER_WORDS.finditer(text)),
    )
    return next((found for way in ways if (found := _distinct(way))), ())


def _first_cells(lines: Sequence[str]) -> Iterator[str]:
    """The names in the first column of tables that have servers there."""
    for at, line in enumerate(lines):
        dashes = _DASHES.fullmatch(line)
        above = lines[max(0, at - _HEADING_LINES) : at]
        if dashes is None or not any(map(_HEADING.match, above)):
            continue
        for row in takewhile(_is_row, islice(lines, at + 1, None)):
            # A line that goes on with the row above it begins further to the right.
            cell = _FIRST_CELL.match(row, len(dashes["indent"]))
            if cell is None or row[: len(dashes["indent"])].strip():
                continue
            if not cell["cut"]:
                yield cell["host"]
            elif "." in cell["host"]:  # cut short, but behind the name of the server
                yield short_name(cell["host"])


def _is_row(line: str) -> bool:
    """Whether a table goes on: no row is of two, however many there are."""
    return bool(line.strip()) and not _DASHES.fullmatch(line)


def _distinct(names: Iterable[str]) -> tuple[str, ...]:
    """Each server once, by its fullest name."""
    found: list[str] = []
    for name in (one.rstrip(".") for one in names):
        host = short_name(name)
        if name.casefold() in _HEALTH_SET_NAMES:
            continue
        if host in _NO_SERVER or host.startswith(_SOURCES) or name.replace(".", "").isdigit():
            continue
        at = next((n for n, one in enumerate(found) if same_server(one, name)), None)
        if at is None:
            found.append(name)
            if len(found) == _MOST_SERVERS:
                break
        elif len(name) > len(found[at]):
            found[at] = name
    return tuple(found)


def _said(what: str, names: list[str], least: int = 1) -> list[str]:
    return [f"{what}: {', '.join(names)}"] if len(names) >= least else []
