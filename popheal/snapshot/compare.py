"""What a snapshot does not show as it was seen: looked for, and told, never passed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from attrs import asdict, frozen

from popheal.backends.simulated.components import COMPONENTS
from popheal.errors import BackendError
from popheal.exchange.names import short_name
from popheal.snapshot.seen import Asked, Seen, kinds_on

#: Seconds by which a boot may be told apart from look to look.
_A_MINUTE: Final = 60.0

Values = Mapping[str, Any]


@frozen(kw_only=True)
class _Compared:
    """How the answers to one look are compared.

    Attributes:
        key: The field that tells its rows apart; empty for a single row.
        fields: The fields that count.
        counts: Which of the rows count.
    """

    fields: tuple[str, ...]
    key: str = ""
    counts: Callable[[Any], bool] = lambda _row: True


def _is_shown(row: Any) -> bool:
    return row.component in COMPONENTS or row.state != "Active"


#: By method of the backend: what of its answers triage, a plan or a healing goes by.
_HOW: Final[Mapping[str, _Compared]] = {
    "mailbox_server": _Compared(
        fields=("dag", "activation_disabled", "auto_activation_policy", "maximum_active_databases")
    ),
    "dag": _Compared(fields=("members", "operational", "primary_active_manager", "witness")),
    "host_status": _Compared(
        fields=("setup_running", "reboot_pending", "utc_offset", "cluster_node")
    ),
    "services": _Compared(key="name", fields=("state", "start_type")),
    "component_states": _Compared(key="component", fields=("state",), counts=_is_shown),
    "pop_settings": _Compared(fields=("protocol_log_enabled", "log_location", "bindings")),
    "database_copies": _Compared(
        key="database",
        fields=(
            "status",
            "active_copy",
            "activation_suspended",
            "copy_queue",
            "replay_queue",
            "content_index",
        ),
    ),
    "databases": _Compared(
        key="name",
        fields=("replicated", "recovery", "servers", "lagged", "backup_in_progress"),
    ),
    "replication_health": _Compared(key="check", fields=("result", "error")),
    "recovery_actions": _Compared(
        key="action", fields=("resource", "requester", "result", "throttled")
    ),
    "invoke_probe": _Compared(fields=("results", "error", "exception")),
}
#: Fields with names of servers, which mean the same however they are written.
_NAMES: Final = {"members", "operational", "primary_active_manager", "servers", "lagged"}


def differences(seen: Seen, shown: Seen) -> list[str]:
    """What is shown otherwise than it was seen, a sentence each.

    Args:
        seen: What was seen of the organisation.
        shown: What the same looks show of its snapshot.
    """
    found: list[str] = []
    for asked, answer in seen.answers.items():
        name = seen.name_of(asked.server)
        here = shown.answers.get(asked)
        found += [f"{name}: {one}" for one in _look(asked, answer, here)]
    for info in seen.servers:
        found += [f"{info.name}: {one}" for one in _of_server(seen, shown, info.fqdn)]
        found += [f"{info.name}: {one}" for one in _of_monitors(seen, shown, info)]
    return list(dict.fromkeys(found))


def _look(asked: Asked, answer: Any, here: Any) -> Iterator[str]:
    told, failed = isinstance(answer, BackendError), isinstance(here, BackendError)
    if told != failed:
        if asked.method not in ("copies_of", "monitoring_items") and failed:
            yield f"{asked.method} was answered, and fails here: {here.sentence()}"
        return
    how = _HOW.get(asked.method)
    if told or how is None or here is None:
        return
    mine, its = _values(how, answer), _values(how, here)
    for path in dict.fromkeys([*mine, *its]):
        if mine.get(path) != its.get(path):
            was, is_now = (_shown(one.get(path)) for one in (mine, its))
            yield f"{asked.method}: {path} was {was}, and is {is_now} here"


def _shown(value: Any) -> str:
    return "not told" if value in (None, "", (), []) else str(value)


def _values(how: _Compared, answer: Any) -> Values:
    rows: Sequence[Any] = answer if isinstance(answer, (list, tuple)) else [answer]
    found: dict[str, Any] = {}
    for row in rows:
        if not how.counts(row):
            continue
        lead = f"{getattr(row, how.key)} " if how.key else ""
        for name in how.fields:
            value = asdict(row, recurse=False)[name]
            found[f"{lead}{name}"] = _plain(name, value)
    return found


def _plain(name: str, value: Any) -> Any:
    if name not in _NAMES or value is None:
        return value
    return short_name(value) if isinstance(value, str) else tuple(map(short_name, value))


def _of_server(seen: Seen, shown: Seen, server: str) -> Iterator[str]:
    own = next(one for one in seen.servers if one.fqdn == server)
    its = next((one for one in shown.servers if one.fqdn == server), None)
    if its is None:
        yield "it is not there"
        return
    for name in ("site", "mailbox_role", "client_access_role", "version"):
        if getattr(own, name) != getattr(its, name):
            was, is_now = (_shown(getattr(one, name)) for one in (own, its))
            yield f"{name} was {was}, and is {is_now} here"
    hosts = [one.get("host_status", server) for one in (seen, shown)]
    if all(hosts) and abs((hosts[0].boot_time - hosts[1].boot_time).total_seconds()) > _A_MINUTE:
        yield f"it booted at {hosts[0].boot_time}, and at {hosts[1].boot_time} here"


def _of_monitors(seen: Seen, shown: Seen, info: Any) -> Iterator[str]:
    rows, its = seen.monitors(info.fqdn), shown.monitors(info.fqdn)
    for kind in kinds_on(info):
        row, mine = rows.get(kind.name.casefold()), its.get(kind.name.casefold())
        if row is None or mine is None:
            continue
        for name in ("alert_value", "state", "stale", "error"):
            was, is_now = getattr(row, name), getattr(mine, name)
            healthy = name == "error" and row.alert_value.casefold() == "healthy"
            if was != is_now and not healthy:
                yield f"{kind.name}: {name} was {_shown(was)}, and is {_shown(is_now)} here"
