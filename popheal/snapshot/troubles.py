"""What is wrong with an organisation, as a scenario says it.

The simulation makes some of it by itself: where a service is stopped, its tests fail. So the
organisation is built without troubles first, and looked at; what it then does not show is added.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from popheal.backends.simulated.call_faults import ERRORS
from popheal.backends.simulated.faults import ASPECTS, OTHER_PROTOCOLS, POP_ASPECTS
from popheal.backends.simulated.model import REPLICATION_CHECKS
from popheal.backends.simulated.monitoring import INTERVAL
from popheal.backends.simulated.monitors import MONITORS, MonitorKind
from popheal.backends.simulated.probes import REFUSED, RESULT_TYPES
from popheal.backends.simulated.rows import check_error
from popheal.errors import BackendError, CommandFailed
from popheal.exchange.interpret import is_unhealthy, rows_of
from popheal.exchange.models import MonitorHealth, RecoveryAction, ReplicationCheck
from popheal.exchange.moments import possible_moments
from popheal.healthsets.pop.health import EVALUATED_WITHIN
from popheal.snapshot.description import Description, Tables
from popheal.snapshot.seen import Probed, Seen, kinds_on

_KNOWN: Final = {one.name.casefold(): one for one in MONITORS}
_OURS: Final = {one.health_set.casefold() for one in MONITORS if one.aspect in POP_ASPECTS}
_FAILING: Final = ("unhealthy", "degraded")
#: How the simulation begins what it says of a probe that can't be run by hand.
_BY_HAND: Final = "can't be run manually."


def add_troubles(it: Description, shown: Seen) -> None:
    """Add what an organisation without troubles does not show.

    Args:
        it: What was seen, and its tables.
        shown: What those tables show without it.
    """
    seen = it.seen
    lists: dict[str, list[Tables]] = {
        name: [] for name in ("faults", "rows", "probes", "calls", "recovery_actions")
    }
    for info in seen.servers:
        server = info.fqdn
        for kind in kinds_on(info):
            row = seen.monitors(server).get(kind.name.casefold())
            if row is not None:
                _monitor(it, shown, server, kind, row, lists)
        lists["rows"] += [{"server": info.name, **table} for table in _further_rows(seen, server)]
        lists["recovery_actions"] += [
            {"server": info.name, **_action(seen, server, one)}
            for one in seen.get("recovery_actions", server) or ()
        ]
        _checks(it, shown, server)
    lists["calls"] += _calls(it, shown)
    lists["faults"] = _merged(lists["faults"])
    it.tables |= {name: tables for name, tables in lists.items() if tables}
    if lists["faults"]:
        it.note("What cures it can't be seen: never is the worst case.", "faults")


# --- monitors ------------------------------------------------------------------------------------


def _monitor(
    it: Description,
    shown: Seen,
    server: str,
    kind: MonitorKind,
    row: MonitorHealth,
    lists: Mapping[str, list[Tables]],
) -> None:
    """Have a monitor say what it said, and its probe come to what it came to."""
    seen = it.seen
    identity = f"{kind.health_set}\\{kind.probe}"
    probed: Probed | None = seen.get("invoke_probe", server, identity)
    usual = shown.monitors(server).get(kind.name.casefold())
    by_itself = usual is not None and usual.alert_value.casefold() in _FAILING
    name, error, value = seen.name_of(server), row.error, row.alert_value
    failing = value.casefold() in _FAILING and kind.aspect in (*ASPECTS, *OTHER_PROTOCOLS)
    if failing and not by_itself:
        fault = _fault(seen, server, kind, row, probed)
        lists["faults"].append({"server": name, **fault})
        usual_error = "\n".join(filter(None, (fault.get("error"), fault.get("exception"))))
        value = ""
    else:
        usual_error = usual.error if usual else ""
        value = "" if usual and usual.alert_value == value else value
    override = {
        "alert_value": value,
        "state": "" if usual and usual.state == row.state else row.state,
        "stale": row.stale,
        **_age(seen, server, kind, row),
    }
    override = {key: one for key, one in override.items() if one}
    if error != usual_error and row.alert_value.casefold() != "healthy":
        override["error"] = error
    if override:
        lists["rows"].append({"server": name, "monitor": kind.name, **override})
    refused = seen.error("invoke_probe", server, identity)
    here = shown.get("invoke_probe", server, identity) if by_itself else None
    script = _refused(refused) if refused else _script(probed, here)
    if script:
        lists["probes"].append({"server": name, "probe": kind.probe, **script})


def _fault(
    seen: Seen, server: str, kind: MonitorKind, row: MonitorHealth, probed: Probed | None
) -> Tables:
    broken = {"also": [kind.aspect]} if kind.aspect in OTHER_PROTOCOLS else {"fails": [kind.aspect]}
    table: Tables = {**broken, "cure": "never", "error": row.error}
    if row.last_transition is not None:
        ago = round(seen.ago(server, row.last_transition))
        degraded = row.alert_value.casefold() == "degraded"
        table["there_for"] = max(0, min(ago, INTERVAL - 1) if degraded else max(ago, INTERVAL))
    if probed is None:
        return table
    if probed.outcome == "succeeded":
        return {**table, "seen_by": "monitors"}
    if probed.outcome in ("failed", "timed_out"):
        table |= {"error": probed.error, "exception": probed.exception}
        table |= {"hangs": True} if probed.outcome == "timed_out" else {}
    return {key: value for key, value in table.items() if key == "error" or value != ""}


def _refused(error: BackendError) -> Tables:
    """That a probe can't be run by hand; of other errors, the calls tell."""
    if not isinstance(error, CommandFailed):
        return {}
    reason = error.cause.partition(_BY_HAND)[2].strip() or error.cause
    return {"then": REFUSED, "error": reason}


def _script(probed: Probed | None, here: Probed | None) -> Tables:
    """What a probe says that no fault makes it say; nothing if a fault does, or it does itself."""
    if probed is None or probed == here or not set(probed.results) <= {*RESULT_TYPES, REFUSED}:
        return {}
    alike = len(set(probed.results)) == 1
    if here is None and alike and probed.outcome != "could_not_tell":
        return {}
    said = {"error": probed.error}
    said |= {"exception": probed.exception} if probed.exception else {}
    if alike:
        return {"then": probed.results[0], **said}
    return {"results": list(probed.results), **said}


def _age(seen: Seen, server: str, kind: MonitorKind, row: MonitorHealth) -> Tables:
    """That a monitor of POP has not been evaluated for long, if so."""
    moment = row.last_execution
    if moment is None and row.last_execution_text:
        host = seen.get("host_status", server)
        offset = host.utc_offset if host else None
        moment = next(iter(possible_moments(row.last_execution_text, offset)), None)
    if kind.aspect not in POP_ASPECTS or moment is None:
        return {}
    ago = round(seen.ago(server, moment))
    if ago <= EVALUATED_WITHIN.total_seconds():
        return {}
    return {"frozen": True, "evaluated_ago": ago}


def _further_rows(seen: Seen, server: str) -> Iterator[Tables]:
    """Rows of monitors that the simulation doesn't know: of POP, and those that are Unhealthy."""
    for row in rows_of(server, seen.get("server_health", server) or ()):
        ours = row.health_set.casefold() in _OURS
        if row.monitor.casefold() not in _KNOWN and (ours or is_unhealthy(row)):
            yield _row(row)
    for row in seen.get("server_health", server) or ():
        if not seen.is_listed(row.server) and row.health_set.casefold() in _OURS:
            yield {**_row(row), "of_server": row.server}


def _row(row: MonitorHealth) -> Tables:
    table = {
        "monitor": row.monitor,
        "health_set": row.health_set,
        "alert_value": row.alert_value,
        "state": "" if row.state == "NotApplicable" else row.state,
        "stale": row.stale,
        "error": row.error,
    }
    return {key: value for key, value in table.items() if value}


def _merged(faults: list[Tables]) -> list[Tables]:
    """One fault of several that differ in what fails alone."""
    merged: dict[str, Tables] = {}
    for one in faults:
        rest = {key: value for key, value in one.items() if key not in ("fails", "also")}
        into = merged.setdefault(repr(sorted(rest.items())), {"server": one["server"]})
        for key in ("fails", "also"):
            if key in one:
                into[key] = [*into.get(key, ()), *one[key]]
        into |= rest
    return list(merged.values())


# --- what else is noted --------------------------------------------------------------------------


def _action(seen: Seen, server: str, row: RecoveryAction) -> Tables:
    # What began too long ago to be in the logs has an end there at least.
    started = row.started or row.finished
    table: Tables = {
        "action": row.action,
        "resource": row.resource,
        "requester": row.requester,
        "throttled": row.throttled,
    }
    if started is not None:
        table["there_for"] = _seconds(seen.ago(server, started))
        if row.expected_finish is not None:
            table["expected"] = _seconds((row.expected_finish - started).total_seconds())
        if row.finished is not None and not row.throttled:
            table["ends"] = _seconds((row.finished - started).total_seconds())
            table["result"] = row.result or "not told"
    return {key: value for key, value in table.items() if value != "" and value is not False}


def _seconds(value: float) -> float:
    return max(0.0, round(value, 3))


def _checks(it: Description, shown: Seen, server: str) -> None:
    """Have the checks of a member fail that failed, with what they said."""
    own: list[ReplicationCheck] = it.seen.get("replication_health", server) or []
    usual = {one.check: one for one in shown.get("replication_health", server) or ()}
    failed: list[str] = []
    errors: dict[str, str] = {}
    for row in own:
        if row.result == "Passed" or row.check not in REPLICATION_CHECKS:
            continue
        mine = usual.get(row.check)
        if mine is None or (mine.result, mine.error) == (row.result, row.error):
            continue
        failed.append(row.check)
        if row.error not in ("", check_error(row.check, it.seen.name_of(server))):
            errors[row.check] = row.error
    table = it.server(server)
    table |= {"failed_checks": failed} if failed else {}
    table |= {"check_errors": errors} if errors else {}


def _calls(it: Description, shown: Seen) -> Iterator[Tables]:
    """Looks that could not be made, and can't be made here either."""
    told: set[tuple[str, str]] = set()
    for asked, answer in it.seen.answers.items():
        if not isinstance(answer, BackendError) or asked.method == "copies_of":
            continue
        if asked.method == "invoke_probe" and isinstance(answer, CommandFailed):
            continue
        usual = shown.answers.get(asked)
        if type(usual) is type(answer) or (asked.method, asked.server) in told:
            continue
        told.add((asked.method, asked.server))
        kind = type(answer).__name__
        yield {
            "method": asked.method,
            "server": it.seen.name_of(asked.server),
            "error": kind if kind in ERRORS else "CommandFailed",
            "cause": getattr(answer, "cause", ""),
            "for_ever": True,
        }
