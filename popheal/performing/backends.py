"""CTP 3.4 to 3.6: which Mailbox server served the failed probe, and is that the ill one?"""

from __future__ import annotations

from datetime import timedelta

from popheal.backend import Backend
from popheal.catalogue import MONITORS
from popheal.definition import Verdict
from popheal.errors import BackendError
from popheal.observations import ProbeResult, ServerInfo
from popheal.performing.context import Observed, Work, persistently
from popheal.pop_log import correlate
from popheal.reading import backends_named_in, is_row_of, is_unhealthy, pop_rows, servers_named
from popheal.steps import Steps, attempt, pause

#: Log lines are written a little before and after the times that the probe reports.
SLACK = timedelta(seconds=2)

#: The monitors whose recovery step 3.6 refers to.
MAILBOX_SIDE = tuple(one for one in MONITORS if one.procedure == "mailbox")

#: Verdicts after which a back end may be taken for well.
WELL = (Verdict.NOTHING_WRONG, Verdict.TRANSIENT, Verdict.RECOVERED)


def find_backends(work: Work) -> Steps[Observed]:
    """CTP 3.4 and 3.5: the probe's own error first, then the front-end log (erratum D8)."""
    probe = work.memory.last_probe
    if probe is None:
        return Observed("could_not_tell", "there is no failed probe to trace")
    servers = yield from persistently(work.session, Backend.all_servers, work.server)
    if isinstance(servers, BackendError):
        return Observed("could_not_tell", str(servers))
    named = servers_named(backends_named_in(probe.error), servers)
    if named:
        return _found(work, named, "the probe's error")
    names = yield from _from_log(work, probe)
    if isinstance(names, Observed):
        return names
    logged = servers_named(names, servers)
    if logged:
        return _found(work, logged, "the protocol log")
    if names:
        return Observed("could_not_tell", f"the log names no known Mailbox server: {names}")
    return Observed("not_found", "the front end logged the probe, but passed it to no back end")


def _found(work: Work, servers: list[ServerInfo], where: str) -> Observed:
    work.memory.backends = tuple(one.fqdn for one in servers)
    return Observed("found", f"{where} names {', '.join(work.memory.backends)}")


def _from_log(work: Work, probe: ProbeResult) -> Steps[tuple[str, ...] | Observed]:
    """Host names from the front-end log; POP3 buffers its log, so it may take a moment.

    None at all means something only if the probe is in the log: then the front end did not
    get as far as a back end. A log without the probe tells nothing.
    """
    if probe.started is None or probe.finished is None:
        return Observed("could_not_tell", "the probe did not say when it ran")
    settings = yield from persistently(work.session, Backend.pop_settings, work.server)
    if isinstance(settings, BackendError):
        return Observed("could_not_tell", str(settings))
    since, until = probe.started - SLACK, probe.finished + SLACK
    problem, seen = "no front-end protocol log could be read", False
    for again in range(work.timing.probe_attempts):
        if again:
            yield from pause(work.timing.probe_pause)
        files = yield from attempt(
            Backend.pop_logs, work.server, settings.log_location, since, until
        )
        if isinstance(files, BackendError):
            problem, seen = str(files), False
            continue
        found = correlate(files, since, until)
        seen = found.probe_seen
        if found.backends:
            return found.backends
        if found.readable:
            problem = "the front-end protocol log holds no line of the probe"
    return () if seen else Observed("could_not_tell", problem)


def check_backends(work: Work) -> Steps[Observed]:
    """CTP 3.5 and 3.6: keep those whose deep or self test monitor is Unhealthy."""
    unhealthy, unclear = [], []
    for backend in work.memory.backends:
        rows = yield from persistently(work.session, Backend.server_health, backend)
        if isinstance(rows, BackendError):
            unclear.append(str(rows))
            continue
        mine = [
            row
            for row in pop_rows(backend, rows)
            if any(is_row_of(monitor, row) for monitor in MAILBOX_SIDE)
        ]
        if any(is_unhealthy(row) for row in mine):
            unhealthy.append(backend)
        elif not mine or not all(row.alert_value.casefold() == "healthy" for row in mine):
            unclear.append(f"the POP monitors of {backend} can't be told")
    if unhealthy:
        work.memory.backends = tuple(unhealthy)
        return Observed("unhealthy", f"ill: {', '.join(unhealthy)}")
    if unclear or not work.memory.backends:
        return Observed("could_not_tell", "; ".join(unclear) or "no back end to look at")
    return Observed("healthy", f"well: {', '.join(work.memory.backends)}")


def recover_backends(work: Work) -> Steps[Observed]:
    """CTP 3.6: each as a run of its own, with guards of its own, one after another (D22)."""
    said = []
    for backend in work.memory.backends:
        verdict = yield from work.heal_backend(backend)
        said.append(f"{backend}: {verdict.value}")
        if verdict not in WELL:
            return Observed("failed", "; ".join(said))
    return Observed("done", "; ".join(said))
