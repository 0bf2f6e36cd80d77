"""JSON Schema of what programs read: reports, plans, and events as they are logged."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_type_hints

from attrs import fields

from popheal.engine.plan import PlannedRun
from popheal.reports import events, measures
from popheal.reports.event_log import LOGGED_OF_EACH
from popheal.reports.report import FORMAT, Report
from popheal.tables.table import Verdict
from popheal.util.json_schema import Json, descriptions, document, of_record, of_type


def report_schema() -> dict[str, Any]:
    """Of ``Report.to_json()``, and of what heal, triage and rehearse answer with ``--json``."""
    return document("report", FORMAT, "A report of popheal", _report({}))


def plan_schema() -> dict[str, Any]:
    """Of ``Plan.to_json()``, and of what plan answers with ``--json``: a report, and its plan."""
    defs: Json = {}
    body = _report(defs)
    body["properties"]["plan"] = {"type": "array", "items": of_record(PlannedRun, defs)}
    body["required"] = [*body["required"], "plan"]
    return document("plan", FORMAT, "A plan of popheal", body)


def _report(defs: Json) -> Json:
    of_record(Report, defs)
    body = dict(defs.pop(Report.__name__))
    # Of a rehearsal there is more; and a later version may say more.
    body["additionalProperties"] = True
    version = {"const": FORMAT, "description": "Grows if a key changes its meaning."}
    return {
        **body,
        "properties": {"format": version, **body["properties"]},
        "$defs": defs,
    }


def events_schema() -> dict[str, Any]:
    """Of each event as it is logged, by a program whose structlog writes JSON."""
    found = sorted(_kinds(), key=lambda kind: kind.name)
    defs: Json = {}
    body = {
        "type": "object",
        "required": ["event"],
        "properties": {"event": {"enum": [one.name for one in found]}},
        "oneOf": [_event(one, defs) for one in found],
    }
    title = "Events of popheal, as they are logged"
    return document("events", FORMAT, title, {**body, "$defs": defs})


def _kinds() -> Iterator[type[events.Event]]:
    for one in (*vars(events).values(), *vars(measures).values()):
        if isinstance(one, type) and issubclass(one, events.Event) and hasattr(one, "name"):
            yield one


def _event(kind: type[events.Event], defs: Json) -> Json:
    kinds, said = get_type_hints(kind), descriptions(kind)
    common = {one.name for one in fields(events.Event)}
    own = [one for one in fields(kind) if one.name not in common]
    properties = {one.name: of_type(kinds[one.name], defs) for one in own}
    if kind is events.HandedOver:
        # Of a whole report only what belongs into a log.
        properties = {"verdict": of_type(Verdict, defs), "summary": {"type": "string"}}
    if kind is events.EffectIntended:
        properties.pop("values")  # each is a detail of its own
    for name in properties:
        if name in said:
            properties[name] = {**properties[name], "description": said[name]}
    return {
        "description": " ".join((kind.__doc__ or "").split("\n\n")[0].split()),
        "properties": {
            "event": {"const": kind.name},
            **{name: {"type": "string"} for name in LOGGED_OF_EACH},
            **properties,
        },
    }
