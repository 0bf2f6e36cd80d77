"""From the tables of a scenario to what goes wrong in it, and what others do meanwhile."""

from __future__ import annotations

from datetime import timedelta

from popheal.backends.simulated.call_faults import DONE, ERRORS, HARMLESS, BrokenCall
from popheal.backends.simulated.events import DOINGS, Event, schedule
from popheal.backends.simulated.faults import ASPECTS, Cure, Fault, concerned_service
from popheal.backends.simulated.history import ACTORS, POPHEAL, Happening
from popheal.backends.simulated.model import (
    COMPONENT_STATES,
    COMPONENTS,
    COPY_STATUSES,
    Server,
)
from popheal.backends.simulated.monitoring import RowOverride
from popheal.backends.simulated.organisation import Organisation
from popheal.backends.simulated.probes import PROBES, RESULT_TYPES, ProbeScript, Scripted
from popheal.backends.simulated.recovery_actions import EXPECTED
from popheal.backends.simulated.tables import Table
from popheal.backends.simulated.world import World
from popheal.exchange.backend import EFFECTS, LOOKS

CURES = ("restart", "logging_restart", "reboot", "never")
PROBE_WORDS = (*RESULT_TYPES, "truth", "refused")


def read_scripts(root: Table, organisation: Organisation) -> None:
    """Read everything that is scripted, and set the organisation going."""
    world = organisation.world
    begins: list[tuple[float, Fault]] = []
    for number, table in enumerate(root.tables("faults"), 1):
        begins.append(_fault(world, table, number))
    for table in root.tables("rows"):
        organisation.monitoring.overrides.append(_row(world, table))
    for table in root.tables("probes"):
        organisation.probing.scripts.append(_probe(world, table))
    for table in root.tables("calls"):
        organisation.broken_calls.script.append(_call(world, table))
    for table in root.tables("recovery_actions"):
        _recovery_action(organisation, table)
    events = [_event(world, table) for table in root.tables("events")]
    for seconds, fault in begins:
        organisation.add_fault(fault, after=seconds)
    organisation.begin()
    for event in events:
        schedule(organisation, event)


def _server(world: World, table: Table, key: str = "server") -> Server:
    name = table.text(key)
    found = world.find(name)
    if found is None:
        known = ", ".join(s.name for s in world.servers)
        table.wrong(key, f"names the server '{name}', which isn't there", f"There are: {known}.")
    return found


def _fault(world: World, table: Table, number: int) -> tuple[float, Fault]:
    server = _server(world, table)
    fails = frozenset(table.choices("fails", ASPECTS))
    front_ends = []
    for name in table.texts("breaks_ctp_of"):
        found = world.find(name)
        if found is None:
            table.wrong("breaks_ctp_of", f"names '{name}'", "Name servers that are described.")
        front_ends.append(found)
    if not fails and not front_ends:
        table.wrong("fails", "is empty", f"Name what fails: {', '.join(ASPECTS)}.")
    begins = table.number("begins", 0)
    fault = Fault(
        name=table.text("name", f"fault {number}"),
        server=server,
        fails=fails,
        cure=_cure(table),
        service=table.text("service", concerned_service(server, fails)),
        seen_by=table.choice("seen_by", ("both", "monitors", "probes"), "both"),
        error=table.text("error", "The POP3 server did not answer the LOGIN in time."),
        breaks_ctp_of=front_ends,
        names_back_end=table.flag("names_back_end", default=True),
        logs_back_end=table.flag("logs_back_end", default=True),
        began=world.now - timedelta(seconds=table.number("there_for", 0 if begins else 600)),
    )
    table.done()
    return begins, fault


def _cure(table: Table) -> Cure:
    given = table.raw("cure")
    if isinstance(given, str):
        table.choice("cure", CURES)
        return {
            "restart": Cure(restarts=1),
            "logging_restart": Cure(logging_restart=True),
            "reboot": Cure(reboots=1),
            "never": Cure(),
        }[given]
    if not isinstance(given, dict):
        table.wrong(
            "cure",
            "is missing" if given is None else f"is {given!r}",
            f"Give one of {', '.join(CURES)}, or a table like {{ restarts = 2, reboots = 1 }}.",
        )
    inner = table.table("cure")
    cure = Cure(
        restarts=inner.optional_ordinal("restarts"),
        logging_restart=inner.flag("logging_restart"),
        reboots=inner.optional_ordinal("reboots"),
        seconds=inner.optional_number("seconds"),
    )
    inner.done()
    return cure


def _row(world: World, table: Table) -> RowOverride:
    row = RowOverride(
        server=_server(world, table),
        monitor=table.text("monitor"),
        health_set=table.text("health_set", ""),
        of_server=table.text("of_server", ""),
        alert_value=table.text("alert_value", ""),
        state=table.text("state", ""),
        stale=table.flag("stale"),
        frozen=table.flag("frozen"),
        since=table.number("since"),
        until=table.optional_number("until"),
    )
    table.done()
    return row


def _probe(world: World, table: Table) -> ProbeScript:
    server = _server(world, table)
    name = table.choice("probe", [*PROBES, *(p.split("\\")[1] for p in PROBES)])
    full = next(p for p in PROBES if name in (p, p.split("\\")[1]))
    error = table.text("error", "The probe failed by script.")

    def scripted(word: str) -> Scripted:
        return Scripted(word, "" if word in ("Succeeded", "truth") else error)

    script = ProbeScript(
        server=server,
        probe=full,
        results=[scripted(w) for w in table.choices("results", PROBE_WORDS)],
        then=scripted(table.choice("then", PROBE_WORDS, "truth")),
    )
    table.done()
    return script


def _call(world: World, table: Table) -> BrokenCall:
    call = BrokenCall(
        method=table.choice("method", ["*", *LOOKS, *EFFECTS]),
        server=_server(world, table) if "server" in table else None,
        error=table.choice("error", ERRORS),
        nth=table.ordinal("nth"),
        times=None if table.flag("for_ever") else table.ordinal("times"),
        # Checked below: some errors promise that nothing was done.
        done="no",
        cause=table.text("cause", ""),
        since=table.number("since"),
        until=table.optional_number("until"),
    )
    done = table.choice("done", DONE, "no")
    if done != "no" and call.error in HARMLESS:
        table.wrong("done", f"is '{done}'", f"{call.error} promises that nothing was done.")
    call.done = done
    table.text("server", "")  # Read above, if it is there.
    table.done()
    return call


def _recovery_action(organisation: Organisation, table: Table) -> None:
    world, recovering = organisation.world, organisation.recovering
    server = _server(world, table)
    action, resource = table.text("action"), table.text("resource", "")
    requester = table.text("requester", "")
    begins = table.number("begins")
    ago = table.number("there_for", 0 if begins else 60)
    expected = table.number("expected", EXPECTED)
    ends = table.optional_number("ends")
    result = table.text("result", "Succeeded")
    throttled = table.flag("throttled")
    if begins and ago:
        table.wrong("there_for", "and 'begins' don't fit", "Give at most one of them.")
    if throttled and ends is not None:
        table.wrong("ends", "is the end of what never begins", "Leave it out if it is throttled.")
    if not result:
        table.wrong("result", "is empty", 'Give one, like "Failed"; it counts if there is an end.')
    table.done()

    def begin() -> None:
        if not server.up and begins:
            return  # Nobody is there to do it.
        deed = recovering.begin(
            server,
            action,
            resource,
            requester,
            expected=expected,
            ago=ago,
            throttled=throttled,
            scripted=True,
        )
        if ends is not None and ends > ago:
            world.after(ends - ago, lambda: recovering.end(deed, result))
        elif ends is not None:
            recovering.end(deed, result, at=deed.started + timedelta(seconds=ends))

    if begins:
        world.after(begins, begin)
    else:
        begin()


def _event(world: World, table: Table) -> Event:
    do = table.choice("do", DOINGS)
    server = _server(world, table)
    details = {key: _detail(world, table, server, key) for key in DOINGS[do][0]}
    if do in ("move", "set_copy"):
        database = world.database(str(details["database"]))
        if database is None or database.copy_on(server) is None:
            table.wrong("server", "has no copy of that database", "Choose one that has.")
    kinds = sorted({k.kind for k in Happening.__subclasses__()})
    event = Event(
        do=do,
        server=server.name,
        actor=table.choice("actor", [a for a in ACTORS if a != POPHEAL], "administrator"),
        at=table.optional_number("at"),
        on=table.choice("on", kinds, ""),
        on_server=_server(world, table, "on_server").name if "on_server" in table else "",
        nth=table.ordinal("nth"),
        delay=table.number("delay"),
        details=details,
    )
    table.text("on_server", "")  # Read above, if it is there.
    if (event.at is None) == (not event.on):
        table.wrong("at", "and 'on' don't fit", "Give exactly one of them: a time, or a happening.")
    table.done()
    return event


def _detail(world: World, table: Table, server: Server, key: str) -> object:
    """Read what a doing needs besides its server: something that is there."""
    if key == "value":
        return table.flag(key)
    known: dict[str, list[str]] = {
        "service": [s.name for s in server.services.values()],
        "database": [d.name for d in world.databases],
        "component": list(COMPONENTS),
        "state": [*COMPONENT_STATES, *COPY_STATUSES],
    }
    return table.choice(key, known[key]) if key in known else table.text(key)
