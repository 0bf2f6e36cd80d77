"""One healing as a page: the verdict, what a person must do, and then everything else.

For a browser, a printer and a screen reader. Much of what it says was written far away, so
nothing on it is more than text.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final

from popheal.diagrams import render
from popheal.diagrams.cards.appearance import STYLE as OF_PICTURES
from popheal.journal.drawable_runs import RunOnTable
from popheal.policy.in_words import in_words
from popheal.reports.markdown import SUPPORT_PAGE
from popheal.reports.report import DebtReport, Finding, Handover
from popheal.review.case import Case
from popheal.review.timeline import Moment
from popheal.tables.actions import Impact
from popheal.tables.debts import DebtStatus
from popheal.tables.palette import IMPACTS, VERDICT_CLASSES
from popheal.util.html import breakable, document, table, told
from popheal.util.text import iso, moment, span, time_of_day

_OF_IMPACTS: Final = "".join(
    f".{one.value} {{ color: {look.line}; background: {look.fill}; }}\n"
    for one, look in IMPACTS.items()
)
_OF_IMPACTS_IN_THE_DARK: Final = "".join(
    f".{one.value} {{ color: {look.dark_line}; background: {look.dark_fill}; }}\n"
    for one, look in IMPACTS.items()
)
_STYLE: Final = f"""
.verdict {{ border-left: .5rem solid; padding-left: .8rem; margin-left: 0; }}
.verdict p {{ color: var(--ink); max-width: 60rem; font-size: 1.05rem; overflow-wrap: anywhere; }}
h3 {{ font-size: 1rem; margin: 1.2rem 0 .3rem; }}
ol, ul {{ margin: .3rem 0; padding-left: 1.6rem; max-width: 60rem; }}
li {{ margin: .25rem 0; overflow-wrap: anywhere; }}
dl {{ display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .1rem 1rem;
  margin: .8rem 0; }}
dt {{ color: var(--dim); }} dd {{ margin: 0; overflow-wrap: anywhere; }}
pre {{ background: var(--soft); border: 1px solid var(--rule); border-radius: 4px; margin: .4rem 0;
  padding: .5rem .7rem; white-space: pre-wrap; overflow-wrap: anywhere;
  font: .9rem/1.4 ui-monospace, Consolas, monospace; }}
tbody th, td {{ overflow-wrap: anywhere; }}
td.good, td.bad {{ overflow-wrap: break-word; }}
tbody th {{ width: 32%; }}
td.time {{ white-space: nowrap; width: 5.5rem; font-variant-numeric: tabular-nums; }}
tr.within th, tr.within td {{ color: var(--dim); font-weight: 400; }}
tr.within th {{ padding-left: 1.6rem; }}
.badge {{ display: inline-block; padding: 0 .5rem; border-radius: 4px; font-weight: 700;
  border: 1px solid; }}
{_OF_IMPACTS}
@media screen and (prefers-color-scheme: dark) {{
{_OF_IMPACTS_IN_THE_DARK}}}
figure {{ margin: 1rem 0; max-width: 43rem; }}
tr.heading th .dim {{ font-weight: 400; }} th div.dim {{ font-weight: 400; }}
figure svg {{ display: block; width: 100%; height: auto; }}
.narrow {{ display: none; }}
@media screen and (max-width: 40rem) {{ .broad {{ display: none; }} .narrow {{ display: block; }} }}
@media print {{ body {{ font-size: 9.5pt; }} figure {{ margin: 0; max-width: none; }}
  section:has(> figure), figure + figure {{ break-before: page; }} figure h3 {{ margin: 0; }}
  figure .broad svg {{ max-height: 218mm; width: auto; max-width: 100%; margin: 0 auto; }}
  pre, li, .verdict {{ break-inside: avoid; }} }}
"""


def page_of(case: Case) -> str:
    """The page."""
    pictures = [_picture(one) for one in case.runs if one.table]
    return document(
        f"POP on {case.server}: {_ended(case)}",
        _facts(case),
        [
            *_verdict(case),
            *_to_do(case),
            *_section("debts", "Changes that had to be undone", _debts(case.debts)),
            *_section("timeline", "What happened", _timeline(case)),
            *_section("pictures", "The way it took", pictures),
            *_section("evidence", "What was seen", _seen(case)),
            *_section("policy", "How far it was allowed to go", _policy(case)),
        ],
        style=_STYLE,
        drawn=[OF_PICTURES] if pictures else [],
    )


def _ended(case: Case) -> str:
    if case.verdict is None:
        return case.state
    return f"{case.verdict.value.replace('_', ' ')}, {case.verdict.meaning}"


def _section(place: str, title: str, elements: Iterable[str]) -> Iterator[str]:
    """A part of the page under its heading; nothing where there is nothing to say."""
    if found := list(elements):
        yield f'<section aria-labelledby="{place}"><h2 id="{place}">{told(title)}</h2>'
        yield from (*found, "</section>")


def _listed(lines: Iterable[str], kind: str = "ul") -> str:
    return f"<{kind}>{''.join(f'<li>{told(line)}</li>' for line in lines)}</{kind}>"


# --- what is needed first ------------------------------------------------------------------------


def _facts(case: Case) -> Iterator[str]:
    alert = case.alert
    about = ", ".join(one for one in (f"health set {alert.health_set}", alert.monitor) if one)
    took = span((case.until - case.begun_at).total_seconds())
    facts = {
        "Alert": about + (f": {alert.text}" if alert.text else ""),
        "Issued": moment(alert.at) if alert.at else "",
        "Begun": moment(case.begun_at),
        "Ended" if case.verdict else "Looked at": f"{moment(case.until)}, after {took}",
        "Healing": case.id,
    }
    said = (f"<dt>{name}</dt><dd>{told(text)}</dd>" for name, text in facts.items() if text)
    yield f"<dl>{''.join(said)}</dl>"


def _verdict(case: Case) -> Iterator[str]:
    kind = VERDICT_CLASSES[case.verdict] if case.verdict else "unsure"
    said = f'<div class="verdict {kind}"><p>{told(case.summary)}</p></div>'
    yield from _section("verdict", "Why" if case.verdict else "How it stands", [said])


def _to_do(case: Case) -> Iterator[str]:
    yield from _section("to-do", "What a person must do", _steps(case))


def _steps(case: Case) -> Iterator[str]:
    handover = case.handover
    if case.verdict is None:
        what, how = case.next_step
        yield f"<p>{told(what or 'Nothing yet: it is at work.')}</p>"
        yield from _commands([how] if how else [])
    elif handover is None:
        yield "<p>Nothing.</p>"
    else:
        steps = [step for step in handover.next_steps if step != handover.support]
        yield _listed(steps, "ol")
        yield from _by_hand(handover)


def _by_hand(handover: Handover) -> Iterator[str]:
    told_with = (
        ("To see the cause and make it well, in the Exchange Management Shell", "first_commands"),
        ("Once the server is well again, in the Exchange Management Shell", "commands"),
    )
    for title, name in told_with:
        if commands := getattr(handover, name):
            yield f"<h3>{title}</h3>"
            yield from _commands(commands)
    for title, lines in (("Left as", handover.left_as), ("POP3 protocol logs", handover.logs)):
        if lines:
            yield f"<h3>{title}</h3>{_listed(lines)}"
    if handover.support:
        link = f'<a href="{SUPPORT_PAGE}" rel="noreferrer">{SUPPORT_PAGE}</a>'
        parts = map(told, handover.support.partition(SUPPORT_PAGE)[::2])
        yield f"<h3>Support</h3><p>{f' {link} '.join(parts)}</p>"


def _commands(commands: Iterable[str]) -> Iterator[str]:
    yield from (f"<pre>{told(one)}</pre>" for one in commands)


def _debts(debts: Iterable[DebtReport]) -> Iterator[str]:
    rows = [_debt(one) for one in debts]
    if rows:
        heads = ["Change", "Server", "Before", "Now"]
        yield from table("Changes that had to be undone", heads, rows)


def _debt(one: DebtReport) -> str:
    kind = "good" if one.status is DebtStatus.PAID else "bad"
    before = "on" if one.prior else "off"
    now = one.status.value.replace("_", " ")
    return (
        f'<tr><th scope="row">{told(one.kind.value.replace("_", " "))}</th>'
        f'<td>{breakable(one.server)}</td><td>{before}</td><td class="{kind}">{told(now)}</td></tr>'
    )


# --- what happened -------------------------------------------------------------------------------


def _timeline(case: Case) -> Iterator[str]:
    if not case.timeline:
        return
    yield "<p>Times are in UTC.</p>"
    yield from table("What happened", ["At", "Step", "What came of it"], _moments(case))


def _moments(case: Case) -> Iterator[str]:
    run, day = "", case.begun_at.date()
    about = {one.path.run: one for one in case.runs}
    for one in case.timeline:
        if one.at.date() != day:
            day, run = one.at.date(), ""
        if one.run != run and one.run in about:
            run = one.run
            yield _run_row(about[run], one.at)
        yield _moment_row(one)


def _run_row(run: RunOnTable, at: datetime) -> str:
    monitor = f", for {run.path.monitor}" if run.path.monitor else ""
    said = told(f"{run.procedure} on {run.path.server}{monitor}")
    return (
        f'<tr class="heading"><th colspan="3" scope="rowgroup">{said}'
        f' <span class="dim">{at:%Y-%m-%d}, run {told(run.path.run)}</span></th></tr>'
    )


def _moment_row(one: Moment) -> str:
    within = "" if one.impact else ' class="within"'
    return (
        f'<tr{within}><td class="time"><time datetime="{iso(one.at)}">{time_of_day(one.at)}</time>'
        f'</td><th scope="row">{breakable(one.what)} {_badge(one.impact)}</th>'
        f"<td>{_came_to(one)}</td></tr>"
    )


def _came_to(one: Moment) -> str:
    if not one.outcome:
        return told(one.detail)
    kind = "" if one.good else ' class="unsure"'
    took = span((one.until - one.at).total_seconds()) if one.until else ""
    took = f', <span class="dim">after {took}</span>' if took else ""
    detail = f"<br>{told(one.detail)}" if one.detail else ""
    return f"<strong{kind}>{told(one.outcome.replace('_', ' '))}</strong>{took}{detail}"


def _badge(impact: Impact | None) -> str:
    return f'<span class="badge {impact.value}">{impact.value}</span>' if impact else ""


def _picture(run: RunOnTable) -> str:
    assert run.table  # noqa: S101 - only such runs are drawn
    caption = told(f"{run.procedure} on {run.path.server}, run {run.path.run}")
    broad, narrow = (
        f'<div class="{kind}">{render(run.table, "svg", path=run.path, narrow=narrow)}</div>'
        for kind, narrow in (("broad", False), ("narrow", True))
    )
    return f"<figure><figcaption><h3>{caption}</h3></figcaption>\n{broad}{narrow}</figure>"


# --- evidence, and the policy --------------------------------------------------------------------


def _seen(case: Case) -> Iterator[str]:
    if case.handover and case.handover.evidence:
        yield f"<h3>What speaks for a fault</h3>{_listed(case.handover.evidence)}"
    rows = [_finding(one) for one in case.findings]
    if rows:
        yield "<h3>In triage</h3>"
        yield from table("What triage saw", ["Finding", "What was seen"], rows)


def _finding(one: Finding) -> str:
    monitor = f"{one.monitor}: " if one.monitor and one.monitor not in one.detail else ""
    helps = f'<div class="next">→ {told(one.next_step)}</div>' if one.next_step else ""
    return (
        f'<tr><th scope="row">{told(one.kind.value.replace("_", " "))}'
        f'<div class="dim">{told(one.server)}</div></th>'
        f"<td>{told(monitor + one.detail)}{helps}</td></tr>"
    )


def _policy(case: Case) -> Iterator[str]:
    if case.policy:
        yield _listed(in_words(case.policy))
