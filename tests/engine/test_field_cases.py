"""What others met in public, played: act where it helps, hold where it can't.

The cases lie in ``tests/samples/cases/variants``. Each is a scenario that says where it was read;
``index/scenarios.toml`` says what it is to show beyond the scenario's own expectation:

kind
    The kind of judgement that it tries.
verdicts
    Verdicts that are right, where more than one is.
rebooted, drained, left_drained
    Servers that popheal restarts, takes its databases from, leaves without them at the end; none
    where nothing is said. ``free`` names those of the three that do not matter.
restarted, restarted_once, at_most_restarts, only_on
    ``SERVER SERVICE`` of every service restart of popheal's; of those that there is one of, among
    others; their highest number; the servers that anything at all may be done to.
says, says_any, says_not
    Words that the report must name, all of them, or one, or none, in any case; ``says_like`` is
    a regular expression; likewise
    ``first_step_any`` and ``first_step_says_not`` of the handover's first step, and
    ``summary_says`` and ``summary_says_not`` of its summary.
told_if_drained
    If the server is left drained, the report hands that over.
within
    Seconds within which it has to end.
retry
    The report says when another try may go further.
policy
    The policy, where it is not the default one.
"""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path

import pytest

from popheal import Policy
from popheal.backends.simulated import history as h
from popheal.backends.simulated import load_scenario
from popheal.exchange.models import LogFile
from popheal.exchange.names import same_server
from popheal.exchange.protocol_log import correlate
from popheal.healthsets.pop.causes import Helps, name_cause
from popheal.reports.alert_text import read_alert
from popheal.tables.debts import DebtKind
from tests.engine.test_scenarios import assert_as_expected
from tests.support.healing import healed
from tests.support.properties import Case, violations

CASES = Path(__file__).parents[1] / "samples" / "cases" / "variants"
INDEX = tomllib.loads((CASES / "index" / "scenarios.toml").read_text(encoding="utf-8"))
LOGS = tomllib.loads((CASES / "index" / "logs.toml").read_text(encoding="utf-8"))
TEXTS = tomllib.loads((CASES / "index" / "causes.toml").read_text(encoding="utf-8"))["texts"]
ALERTS = tomllib.loads((CASES / "index" / "alerts.toml").read_text(encoding="utf-8"))
#: What holds whatever the case; the rest of the properties is tried elsewhere.
ALWAYS = ("P1", "P2", "P7", "P9", "P10", "P13", "P21")


def play(name: str) -> tuple[Case, object]:
    """Heal the case in virtual time."""
    scenario = load_scenario(CASES / f"{name}.toml")
    policy = Policy.from_json(INDEX[name].get("policy", {}))
    return healed(scenario, policy=policy), scenario


def servers(happenings) -> list[str]:
    return sorted({one.server for one in happenings})


def ours(case: Case, kind: type) -> list:
    return [one for _, one in case.ours(kind)]


def assert_done(case: Case, expected: dict) -> None:
    """What was done to the organisation is what the case allows, and no more."""
    done = {
        "rebooted": servers(one for one in ours(case, h.RebootCommanded) if one.accepted),
        "drained": servers(one for one in ours(case, h.ActivationDisabledSet) if one.value),
        "left_drained": sorted(name for name, is_so in case.disabled_after.items() if is_so),
    }
    for what in done.keys() - set(expected.get("free", ())):
        assert done[what] == expected.get(what, []), what
    restarts = [f"{one.server} {one.service}" for one in case.history if _is_our_restart(one)]
    assert restarts == expected.get("restarted", restarts)
    for one in expected.get("restarted_once", ()):
        assert restarts.count(one) == 1, restarts
    assert len(restarts) <= expected.get("at_most_restarts", len(restarts))
    assert set(servers(one for _, one in case.ours())) <= set(
        expected.get("only_on", servers(case.history))
    )
    assert case.lasted.total_seconds() <= expected.get("within", float("inf"))


def _is_our_restart(one: h.Happening) -> bool:
    return isinstance(one, h.ServiceRestarted) and one.actor == h.POPHEAL


def assert_told(case: Case, expected: dict) -> None:
    """The report names what a person has to know, and nothing misleading."""
    told = json.dumps(case.report.to_json(), ensure_ascii=False).casefold()
    assert "defect of popheal" not in told
    assert_words(told, expected, "says")
    assert re.search(expected.get("says_like", ""), told)
    assert_words(case.report.summary.casefold(), expected, "summary_says")
    steps = case.report.handover.next_steps if case.report.handover else ()
    first = steps[0].casefold() if steps else ""
    assert_words(first, expected, "first_step_says")
    if "first_step_any" in expected:
        assert any(word.casefold() in first for word in expected["first_step_any"]), first
    if expected.get("retry"):
        assert case.report.retry_at is not None
    if expected.get("told_if_drained"):
        left = [name for name, is_so in case.disabled_after.items() if is_so]
        assert all(case.handed_over(DebtKind.ACTIVATION_DISABLED, name) for name in left)


def assert_words(text: str, expected: dict, key: str) -> None:
    for word in expected.get(key, ()):
        assert word.casefold() in text, f"does not say {word}: {text}"
    for word in expected.get(f"{key}_not", ()):
        assert word.casefold() not in text, f"says {word}: {text}"
    if f"{key}_any" in expected:
        assert any(word.casefold() in text for word in expected[f"{key}_any"]), text


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(INDEX))
def test_a_case_of_the_field_ends_as_it_should(name):
    """The right verdict, no server out of service for nothing, and the right words."""
    expected = INDEX[name]
    case, scenario = play(name)
    assert_as_expected_but_for_the_verdict(scenario, case, expected)
    assert_done(case, expected)
    assert_told(case, expected)
    assert [one for one in violations(case) if one.startswith(ALWAYS)] == []


def assert_as_expected_but_for_the_verdict(scenario, case: Case, expected: dict) -> None:
    """As the scenario says; where several verdicts are right, as the index says."""
    if "verdicts" not in expected:
        assert_as_expected(scenario, case.report)
        return
    assert case.report.verdict.value in expected["verdicts"], case.report.summary
    states = [name for run in case.report.runs for name in run.path]
    rest = iter(states)
    assert all(name in rest for name in scenario.expected.path), states
    assert not set(scenario.expected.not_in_path) & set(states)


def test_every_case_is_in_the_index():
    """None is forgotten, and each says where it was read."""
    files = {path.stem: path.read_text(encoding="utf-8") for path in CASES.glob("*.toml")}
    assert files.keys() == INDEX.keys()
    assert all("Read at:" in text for text in files.values())


@pytest.mark.parametrize("name", sorted(LOGS))
def test_a_log_of_the_field_names_only_what_the_probe_reached(name):
    """Whoever else is in the log names no back end and never makes "none" conclusive."""
    expected = LOGS[name]
    files = [
        LogFile(name=path.name, text=path.read_bytes().decode())
        for path in sorted((CASES / "logs" / name).iterdir())
    ]
    found = correlate(files, expected["since"], expected["until"])
    assert list(found.backends) == expected["backends"]
    assert found.conclusive is expected.get("conclusive", found.conclusive)


@pytest.mark.parametrize("seen", TEXTS, ids=[one["text"][:40] for one in TEXTS])
def test_words_of_the_field_forbid_what_they_must_and_no_more(seen):
    """What no reboot cured is known as a cause; what decides nothing is taken for none."""
    found = name_cause([seen["text"]])
    if seen["helps"] == "anything":
        # Where the table knows such words, it knows that they decide nothing.
        assert found is None or found.helps is Helps.UNDECIDED
        return
    assert found or not seen.get("known", True), "popheal would go on to a reboot"
    if found is None:
        return
    assert found.helps is Helps.NOTHING or seen["helps"] == "service_restart"
    told = f"{found.name} {found.says}".casefold()
    assert any(word in told for word in seen["family"]), told


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_an_alert_of_the_field_is_understood_or_told_to_be_unclear(name):
    """Nothing is made up; what is not found is told."""
    expected = ALERTS[name]
    found = read_alert((CASES / "alerts" / f"{name}.txt").read_text(encoding="utf-8"))
    server = found.servers[0] if len(found.servers) == 1 else None
    right = {
        "server": server is not None and same_server(server, expected["server"]),
        "health_set": found.health_set == expected["health_set"],
        "monitor": (found.monitor or "") == expected["monitor"],
    }
    given = {"server": server, "health_set": found.health_set, "monitor": found.monitor}
    for what, is_right in right.items():
        assert is_right or given[what] is None, f"{what}: {given[what]}"
        assert is_right or what not in expected["must"], found.unclear
    assert all(right.values()) or found.unclear
