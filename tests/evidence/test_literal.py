"""The runbook's text as it stands breaks what must always hold, each time shown by a trace."""

from __future__ import annotations

import pytest

from popheal.tables.citations import Step
from tests.evidence.literal import LITERAL, literal_findings


@pytest.fixture(scope="module")
def findings():
    return literal_findings()


@pytest.fixture(scope="module")
def traces(findings):
    return {(one.proof.name, one.result.property.id): one.result.trace for one in findings}


def test_shortest_first(findings):
    """All have a trace, and the easiest to follow comes first."""
    lengths = [len(one.result.trace) for one in findings]
    assert lengths == sorted(lengths)
    assert len({one.result.property.id for one in findings}) >= 8


def test_every_sentence_is_cited():
    """The tables follow the text; only one row is a reading of ours where it is silent."""
    for table in LITERAL.values():
        cited = [one.cites for one in table.states]
        assert all(isinstance(one, Step) and one.section is table.section for one in cited)


def test_logging_is_left_on(traces):
    """CTP 3.3: the probe succeeds, and that's it."""
    trace = traces["literal_client_access", "P9"]
    assert trace.moves[-1].state == "step_3_3_probe"
    assert trace.moves[-1].target == "healed"
    assert trace.end["logging"] == "ours"


def test_a_server_is_left_drained(traces):
    """Deep/SelfTest 8: support is called; the server stays barred, and nobody is told."""
    trace = traces["literal_mailbox", "P10"]
    assert trace.moves[-1].target == "contacting_support"
    assert trace.end["activation"] == "ours"


@pytest.mark.parametrize("name", ["literal_client_access", "literal_proxy"])
def test_a_server_with_databases_is_restarted(traces, name):
    """ "Restart the CAS": which has the Mailbox role, and databases mounted."""
    trace = traces[name, "P1"]
    assert trace.moves[-1].said == "restart_server"
    assert trace.start["role"] == "mailbox"
    assert trace.end["copies"] == "active"


def test_databases_come_back_before_the_restart(traces):
    """Even where the text verifies first: nothing holds between step 4 and step 5."""
    trace = traces["literal_mailbox", "P1"]
    assert [move.said for move in trace.moves][-2:] == [
        "another member goes down",
        "restart_server",
    ]


@pytest.mark.parametrize("name", ["literal_mailbox", "literal_command_time"])
def test_it_waits_for_ever(traces, name):
    """For databases that do not move."""
    trace = traces[name, "P13"]
    assert [move.outcome for move in trace.moves[trace.loop :]] == ["active"]


def test_it_goes_round_and_round(traces):
    """CTP 3.6 has no end if a Mailbox server stays ill, and no cap on reboots."""
    trace = traces["literal_client_access_returning", "P13"]
    assert {move.state for move in trace.moves[trace.loop :]} == {
        "step_3_5_check_mailbox_servers",
        "step_3_6_mailbox_section",
    }


def test_a_second_member_is_taken_out(traces):
    """The CAS is restarted while the Mailbox server stays drained, or unseen."""
    assert traces["literal_client_access_returning", "P2"].moves[-1].said == "restart_server"


def test_pop3_is_restarted_everywhere(traces):
    """ "On the servers that are running the CAS role": also where nothing has failed."""
    assert len(traces["literal_proxy", "P5"]) == 1


def test_somebody_elses_settings_are_undone(traces):
    """The text does not ask what was set before."""
    assert traces["literal_mailbox", "P21"].moves[-1].said == "allow_activation"
    assert traces["literal_client_access", "P21"].moves[-1].said == "turn_logging_off"


def test_failed_back_after_another_boot(traces):
    """The probe that succeeded was on an earlier boot."""
    assert traces["literal_mailbox", "P7"].moves[-1].said == "allow_activation"


def test_taken_for_healed(traces):
    """The other section took over; whether the client access server is well, nobody looked."""
    assert traces["literal_client_access", "P22"].moves[-1].said == "follow_mailbox_section"


def test_all_can_be_drawn(findings):
    """As a sequence diagram, each."""
    for one in findings:
        assert one.result.trace.mermaid().startswith("sequenceDiagram\n")
        assert one.result.property.sentence in one.result.counterexample
