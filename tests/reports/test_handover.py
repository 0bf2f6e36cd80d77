"""The handover: what is in it, and the page that a person gets, whatever was said far away."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import pytest
from apprise.common import NotifyFormat
from apprise.conversion import convert_between
from attrs import evolve
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from popheal import Control, Report, Verdict, heal, triage
from popheal.backends.simulated import load_scenario, scenario_names
from popheal.errors import ConfigurationError
from popheal.reports.handover import HANDED_OVER, SUPPORT, hand_over
from popheal.reports.markdown import SUPPORT_PAGE, code_block, escaped
from popheal.reports.reasons import in_a_sentence, worst_first
from popheal.reports.report import Alert, DebtReport, Finding, FindingKind, RunReport, Step
from popheal.tables.actions import Impact
from popheal.tables.citations import Section
from popheal.tables.debts import DebtKind, DebtStatus
from popheal.util.text import one_line
from tests.support.healing import alert_of, shipped
from tests.support.paths import ROOT

BEGAN = datetime(2026, 1, 5, 8, tzinfo=UTC)
LATER = datetime(2026, 1, 6, 2, tzinfo=UTC)
DEFAULT = "fault-survives-the-reboot"


def healed(name: str = DEFAULT) -> Report:
    """What comes of a scenario."""
    scenario = load_scenario(name)
    return heal(alert_of(scenario), scenario.backend)


def a_step(state: str, outcome: str, detail: str = "", *, minute: int = 0, **fields) -> Step:
    """A step of a minute."""
    return Step(
        **{"action": "probe", "impact": Impact.LOOK, **fields},
        state=state,
        outcome=outcome,
        detail=detail,
        started_at=BEGAN + timedelta(minutes=minute),
        finished_at=BEGAN + timedelta(minutes=minute + 1),
    )


def a_run(*steps: Step, **fields) -> RunReport:
    """A run of the mailbox procedure."""
    usual = {"procedure": "mailbox", "server": "mbx1", "monitor": "PopDeepTestMonitor"}
    return RunReport(
        **{**usual, **fields},
        id="1",
        hash="2",
        verdict=Verdict.ESCALATED,
        path=tuple(step.state for step in steps),
        steps=steps,
    )


def a_finding(detail: str, kind: FindingKind = FindingKind.VERIFIED, **fields) -> Finding:
    """Something seen in triage."""
    return Finding(kind=kind, server="mbx1", detail=detail, **fields)


# --- what is in it -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", scenario_names())
def test_who_is_needed_gets_evidence_and_something_to_do(name):
    """Each scenario that is handed over, and none of the others; and JSON keeps it all."""
    report = shipped(name).report
    assert (report.handover is not None) == (report.verdict in HANDED_OVER)
    if report.handover:
        assert report.handover.evidence
        assert report.handover.next_steps
        assert bool(report.handover.support) == (report.verdict is Verdict.ESCALATED)
    assert Report.from_json(report.to_json()) == report


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ([], "it is no JSON object"),
        ("change", "it is no JSON object"),
        ({}, "verdict is missing"),
        ({"verdict": "fine"}, "verdict is none of nothing_wrong, .*cancelled"),
        ({"alert": {"server": "a", "health_set": "P"}}, "alert: There is no health set 'P'"),
    ],
)
def test_what_is_no_report_is_refused_in_a_sentence(data, said):
    if isinstance(data, dict) and "alert" in data:
        data = healed().to_json() | data
    with pytest.raises(ConfigurationError, match=f"^Report given as JSON: {said}. If another"):
        Report.from_json(data)


def test_evidence_is_in_the_words_of_the_probe_and_says_when():
    """The same words are there once, with every time they were heard."""
    evidence = healed().handover.evidence
    assert evidence == (
        "mbx1.contoso.com: PopDeepTestMonitor is Unhealthy (in triage)",
        (
            "mbx1.contoso.com: POP.Protocol\\PopDeepTestProbe: Failed The POP3 server did not "
            "answer the LOGIN in time. "
            "(in triage, 2026-01-05 08:01:30 UTC, 2026-01-05 08:30:00 UTC)"
        ),
    )


def test_what_went_well_is_no_evidence():
    """Nor is what nobody said anything about, nor what came of a change."""
    findings = [a_finding("fine", FindingKind.HEALTHY), a_finding("by the way", FindingKind.NOTE)]
    steps = [
        a_step("reprobing", "succeeded", "Succeeded"),
        a_step("reprobing", "failed"),
        a_step("draining", "failed", "not set", action="drain", impact=Impact.DISRUPT),
    ]
    handover = hand_over(Verdict.ESCALATED, "why", findings, [a_run(*steps)], [])
    assert handover.evidence == ()


def test_what_was_seen_often_is_not_told_each_time():
    """The first time, the last, and how often."""
    steps = [a_step("reprobing", "failed", "no answer", minute=minute) for minute in range(5)]
    handover = hand_over(Verdict.ESCALATED, "why", [], [a_run(*steps)], [])
    assert handover.evidence == (
        "mbx1: no answer (5 times, first 2026-01-05 08:01:00 UTC, last 2026-01-05 08:05:00 UTC)",
    )


@pytest.mark.parametrize(
    ("procedure", "section", "number"),
    [
        ("mailbox", Section.MAILBOX, "8"),
        ("client_access", Section.CLIENT_ACCESS, "8"),
        ("proxy", Section.PROXY, "5"),
        ("command_time", Section.COMMAND_TIME, "6"),
    ],
)
def test_support_cites_the_runbook(procedure, section, number):
    """The step of the section that was followed."""
    handover = hand_over(Verdict.ESCALATED, "why", [], [a_run(procedure=procedure)], [])
    assert handover.support == f"{SUPPORT} (Runbook: {section.value}, step {number}.)"
    assert handover.next_steps[-1] == handover.support


def test_support_cites_the_section_of_what_was_found_where_nothing_was_begun():
    """And none where nothing says which."""
    known = a_finding("ill", monitor="PopProxyTestMonitor")
    other = a_finding("ill", monitor="SomethingElseMonitor")
    for findings, cited in (([known, other], "PopProxyTestMonitor"), ([other], ""), ([], "")):
        support = hand_over(Verdict.ESCALATED, "why", findings, [], []).support
        assert support.startswith(SUPPORT)
        assert (cited in support) if cited else (support == SUPPORT)
    own = a_run(procedure="ours", monitor="Ours")
    assert hand_over(Verdict.ESCALATED, "why", [], [own], []).support == SUPPORT
    assert hand_over(Verdict.HELD, "why", [known], [], []).support == ""


def test_another_time_may_do():
    """When, is the first thing to do and a field of its own."""
    handover = hand_over(Verdict.HELD, "outside the window", [], [], [], retry_at=LATER)
    assert handover.retry_at == LATER
    assert handover.next_steps == (
        "Another time may do: ask popheal again, not before 2026-01-06 02:00:00 UTC.",
    )
    assert hand_over(Verdict.RECOVERED, "healed", [], [], [], retry_at=LATER) is None
    assert hand_over(Verdict.HELD, "why", [], [], []).retry_at is None


@pytest.mark.parametrize(
    ("server", "argument"),
    [
        ("mbx1.contoso.com", "mbx1.contoso.com"),
        ("MBX-1_a", "MBX-1_a"),
        ("mbx1; Stop-Computer", "'mbx1; Stop-Computer'"),
        ("a'b", "'a''b'"),
        ("a\u2019; b", "'a\u2019\u2019; b'"),
        ("a\nb", "'a b'"),
        ("$(b)", "'$(b)'"),
        ("1kb", "'1kb'"),
        ("-Confirm", "'-Confirm'"),
    ],
)
def test_a_name_in_a_command_is_a_name(server, argument):
    """Whatever a server is called, PowerShell takes it for one argument."""
    debt = DebtReport(
        kind=DebtKind.PROTOCOL_LOGGING, server=server, prior=False, status=DebtStatus.HANDED_OVER
    )
    (command,) = hand_over(Verdict.ESCALATED, "why", [], [], [debt]).commands
    assert command == f"Set-PopSettings -Server {argument} -ProtocolLogEnabled $false"


# --- the page ------------------------------------------------------------------------------------


def headings(page: str) -> list[str]:
    """The headings of a page."""
    return re.findall(r"^#+ (.*)$", page, re.MULTILINE)


def test_the_page_says_what_to_do_first():
    """In this order; commands can be copied, and the one link is that of the support."""
    page = healed().to_markdown()
    assert headings(page) == [
        "POP on mbx1.contoso.com: escalated, a person is needed",
        "What to do next",
        "Left as",
        "Evidence",
        "What was seen",
        "What was done",
        "Debts",
        "Runs",
        "Support",
    ]
    assert (
        "\n\n```\nSet-MailboxServer -Identity mbx1.contoso.com "
        "-DatabaseCopyActivationDisabledAndMoveNow $false\n```\n\n"
    ) in page
    assert "- 2026-01-05 08:09:30 to 08:30:00 UTC: mbx1.contoso.com: reprobing" in page
    assert "- 2026-01-05 08:01:30 UTC: mbx1.contoso.com: draining: done (seen to be set)" in page
    assert "- handed over: activation disabled on mbx1.contoso.com (off before)" in page
    assert page.count("did not answer the LOGIN") == 2  # in the summary, and as evidence
    assert page.count(f"<{SUPPORT_PAGE}>") == page.count("://") == 1


def test_every_run_is_on_the_page_with_its_table():
    """By id, hash and path."""
    report = healed("client-access-back-end-stays-drained")
    page = report.to_markdown()
    assert len(report.runs) > 1
    for run in report.runs:
        assert f"- {escaped(run.id)}: {escaped(run.procedure)} (table {run.hash})" in page
        assert escaped(", ".join(run.path)) in page


def test_a_report_that_is_not_handed_over_has_a_page_too():
    """With everything that was seen, and in its words."""
    page = healed("mailbox-healed-by-reboot").to_markdown()
    assert headings(page)[:3] == [
        "POP on mbx1.contoso.com: recovered, healed",
        "What was seen",
        "What was done",
    ]
    assert "- In triage: mbx1.contoso.com: PopDeepTestMonitor is Unhealthy" in page
    assert "- paid: activation disabled on mbx1.contoso.com (off before)" in page
    assert "Nothing was changed." in healed("nothing-wrong").to_markdown()


def test_a_mere_look_has_a_page_too():
    """It is no healing, so it has no id."""
    scenario = load_scenario(DEFAULT)
    page = triage(alert_of(scenario), scenario.backend).to_markdown()
    assert "escalated, a person is needed" in page
    assert "Healing:" not in page


def test_the_page_has_the_alert_and_when_another_time_may_do():
    """The alert's own text as well."""
    alert = Alert(server="mbx1", monitor="PopCTPMonitor", text="POP\nis down", at=BEGAN)
    report = Report(
        id="5f0c",
        verdict=Verdict.HELD,
        server="mbx1",
        alert=alert,
        summary="outside the window",
        started_at=BEGAN,
        finished_at=LATER,
        retry_at=LATER,
    )
    assert (
        "- Alert: health set POP, PopCTPMonitor: POP is down\n"
        "- Issued: 2026-01-05 08:00:00 UTC\n"
        "- Looked at: 2026-01-05 08:00:00 to 2026-01-06 02:00:00 UTC\n"
        "- Another time may do: not before 2026-01-06 02:00:00 UTC\n"
        "- Healing: 5f0c\n"
    ) in report.to_markdown()


def test_the_page_in_the_documentation_is_such_a_page():
    """Word by word, but for the ids, and for the table's hash, which changes with the table."""
    report = healed()
    (run,) = report.runs
    page = report.to_markdown().replace(report.id, "5f0c9a7e21bd")
    page = page.replace(run.id, "5f0c9a7e21bd.1").replace(run.hash, "911d04d933ddd6cd")
    shown = (ROOT / "docs" / "escalation.md").read_text("utf-8")
    assert f"````markdown\n{page}````\n" in shown


@pytest.mark.parametrize("line", ["526262146869.1: mailbox", "526262146869", "3.5 s passed"])
def test_a_number_that_begins_no_list_is_left_as_it_is(line):
    """An id may be all digits."""
    assert escaped(line) == line


# --- text from far away --------------------------------------------------------------------------

FRAGMENTS = (
    "`", "```", "~~~", "*", "**", "_", "__", "[", "]", "](", ")", "!", "<", ">", "<b>", "</p>",
    "<!--", "-->", "<![CDATA[", "<?", "&", "&lt;", "&#35;", "#", "# ", "- ", "+ ", "=", "===",
    "---", "1. ", "2) ", "> ", "|", "\\", "\\\\", "\n", "\n\n", "\r", "\t", "    ", "\x00",
    "\x02", "\x03", "\u2028", "\u202e", "\u200b", ":", "://", "http://", "https://evil.example/",
    "//evil.example", "www.evil.example", "mailto:", "a@evil.example", "@everyone", "<@U1>",
    "<!channel>", "[x](http://evil.example)", "![x](y)", "<script>", "$", "{", "}", "~", "%",
    "{: .x}", "[^1]", "[^1]: ", "wzxhzdk:0", "klzzwxh:0000", "STX", "a", " ", "é", "\U0001f600",
)  # fmt: skip
hostile = st.one_of(
    st.lists(st.sampled_from(FRAGMENTS), max_size=12).map("".join), st.text(max_size=60)
).filter(one_line)


def saying(text: str) -> Report:
    """A report in which everything that may come from far away is this text."""
    debt = DebtReport(
        kind=DebtKind.ACTIVATION_DISABLED, server=text, prior=False, status=DebtStatus.HANDED_OVER
    )
    findings = (
        Finding(kind=FindingKind.VERIFIED, server=text, detail=text, next_step=text),
        Finding(kind=FindingKind.NOTE, server=text, detail=text),
    )
    steps = (
        a_step(text, "failed", f"{text} again"),
        a_step(text, "done", text, action="drain", impact=Impact.DISRUPT),
    )
    runs = (a_run(*steps, server=text, procedure=f"our {text}", monitor=text),)
    return Report(
        id=text,
        verdict=Verdict.ESCALATED,
        server=text,
        alert=Alert(server=text, text=text),
        summary=text,
        started_at=BEGAN,
        finished_at=BEGAN,
        findings=findings,
        runs=runs,
        debts=(debt,),
        handover=evolve(
            hand_over(Verdict.ESCALATED, text, findings, runs, (debt,)), next_steps=(text, SUPPORT)
        ),
    )


def tokens(page: str, *, gfm: bool) -> list[tuple[str, str]]:
    """The structure of a page as CommonMark reads it: each token, and where links lead."""
    reader = MarkdownIt("commonmark")
    if gfm:
        reader.enable(["table", "strikethrough"])
    found = []
    for block in reader.parse(page):
        inline = [one for one in block.children or () if one.type != "text"]
        found += [(one.type, str(one.attrs.get("href", ""))) for one in (block, *inline)]
    return found


class Tags(HTMLParser):
    """The tags of a page of HTML, with what they have, and the text between them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[object] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, attrs))

    def handle_endtag(self, tag):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data

    def handle_comment(self, data):
        self.tags.append("a comment")

    def handle_decl(self, decl):
        self.tags.append("a declaration")

    unknown_decl = handle_pi = handle_decl


def as_html(page: str) -> str:
    """What a service that wants HTML gets, mail for example."""
    return convert_between(NotifyFormat.MARKDOWN, NotifyFormat.HTML, page)


@pytest.mark.slow
@settings(deadline=None)
@given(text=hostile)
@example(text="1. x")
@example(text="1.")
@example(text="1)")
@example(text="526262146869.1: x")
@example(text="# x")
@example(text="[x](http://evil.example) <script>alert(1)</script> @everyone\n\n# x\n```")
def test_what_was_said_far_away_is_text_and_nothing_else(text):
    """The page has the structure that it has with a harmless word, in both dialects."""
    page, harmless = saying(text).to_markdown(), saying("word").to_markdown()
    for gfm in (False, True):
        assert tokens(page, gfm=gfm) == tokens(harmless, gfm=gfm)
    assert Tags(as_html(page)).tags == Tags(as_html(harmless)).tags


@settings(deadline=None)
@given(text=hostile)
def test_what_was_said_far_away_can_be_read(text):
    """As it was, in one line, but for the spaces that nobody sees."""
    for render in (MarkdownIt("commonmark").render, as_html):
        shown = Tags(render(escaped(text))).text.strip().replace("\u200b", "")
        assert " ".join(shown.split()) == one_line(text)


@settings(deadline=None)
@given(text=hostile)
def test_nobody_is_called_and_nothing_looks_like_an_address(text):
    """Not even to a program that makes links of what looks like one in finished text."""
    shown = Tags(as_html(escaped(text))).text
    assert not re.search(r"@\w|//\S|www\.|(mailto|xmpp):\S", shown, re.IGNORECASE)


@settings(deadline=None)
@given(text=hostile)
def test_a_command_is_a_block_of_code(text):
    """It keeps every character, and no fence can be closed within."""
    command = f"Set-PopSettings -Server '{text}'"
    (block,) = MarkdownIt("commonmark").parse(code_block(command))
    assert (block.type, block.info) == ("fence", "")
    assert block.content == f"{one_line(command)}\n"


def test_each_command_of_a_mail_can_be_copied():
    """Each as code in a block of its own, whether apprise knows fences (since 2.3) or not."""
    commands = ["Set-A $true", "Set-B -C"]
    shown = Tags(as_html("\n\n".join(map(code_block, commands))))
    assert [line for line in shown.text.split("\n") if line] == commands
    name = shown.tags[0][0]
    assert name in ("p", "pre")
    assert shown.tags == [(name, []), ("code", []), "code", name] * 2


# --- a person's stop -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stopped_in", "restarts"),
    [("verifying_no_active_copies", False), ("awaiting_server", True), ("failing_back", False)],
)
def test_whoever_stops_while_a_server_restarts_is_told_to_look_after_it(stopped_in, restarts):
    """First of all: nobody waits for it any more. Not before the command, nor once it is back."""
    scenario, control = load_scenario("mailbox-healed-by-reboot"), Control()

    def observe(event):
        if event.name == "action_started" and event.state == stopped_in:
            control.cancel()

    report = heal(alert_of(scenario), scenario.backend, control=control, observers=[observe])
    said = f"{report.server} was told to restart"
    assert (said in report.summary) is restarts
    if restarts:
        assert report.verdict is Verdict.CANCELLED
        assert report.summary.startswith(said)
        assert report.handover.next_steps[0].startswith(f"See that {report.server} comes up")
        assert "LastBootUpTime" in report.handover.first_commands[0]


# --- what was not seen ---------------------------------------------------------------------------


@pytest.mark.parametrize(("outcome", "how"), [("done", "is"), ("could_not_tell", "may be")])
def test_a_drain_that_was_not_seen_is_not_told_as_one(outcome, how):
    """After a crash it may never have been commanded."""
    debt = DebtReport(
        kind=DebtKind.ACTIVATION_DISABLED, server="mbx1", prior=False, status=DebtStatus.HANDED_OVER
    )
    run = a_run(a_step("draining", outcome, "why", action="drain", impact=Impact.DISRUPT))
    assert worst_first("the end", [run], [debt]) == f"mbx1 {how} left drained; the end"
    given = hand_over(Verdict.ESCALATED, "the end", [], [run], [debt])
    assert given.left_as[0].startswith(f"mbx1 {how} left drained")
    assert any(one.startswith(f"mbx1 {how} drained. ") for one in given.next_steps)


@pytest.mark.parametrize(
    ("outcome", "told"), [("done", "was"), ("could_not_tell", "may have been")]
)
def test_a_restart_that_may_not_have_been_commanded_is_not_told_as_one(outcome, told):
    """Likewise."""
    run = a_run(
        a_step("rebooting", outcome, "why", action="reboot", impact=Impact.DISRUPT),
        a_step(
            "awaiting_server",
            "not_back",
            "it has not gone down",
            action="await_server",
            kind=FindingKind.STUCK,
        ),
    )
    assert in_a_sentence(run).startswith(f"mbx1 {told} told to restart, and did not")
