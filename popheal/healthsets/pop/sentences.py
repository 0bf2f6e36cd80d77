"""The runbook's sentences in a few words of ours, by section, step and number.

The page's own words are Microsoft's and stand on the page. A command belongs to the sentence that
introduces it. Step ``0`` is what a section says before its first step.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from popheal.tables.citations import Section, Step

_HELP: Final = "Still failing: you may need help."
_RERUN: Final = "Run the probe again, as under Verifying 2.3."
_HOW_TO_RESTART: Final = "Where to read how to restart it."
_WHERE_SUPPORT_IS: Final = "Where their page is, and what to pick there."
_OWN_RULES: Final = "First read your own organisation's rules about contacting them."
_ASK: Final = "Ask Microsoft Support."

#: Each step's sentences, in the order of the page.
SENTENCES: Final[Mapping[Section, Mapping[str, tuple[str, ...]]]] = MappingProxyType(
    {
        Section.VERIFYING: {
            "1": ("Take server and health set from the alert.",),
            "2": (
                "The alert's message tells the cause.",
                "Mostly it tells enough.",
                "Else take the steps below.",
            ),
            "2.1": (
                "Ask for the health of the alerting set.",
                "The same for set POP on one server.",
            ),
            "2.2": (
                "Find the monitor that complains.",
                "It is the one whose AlertValue says so.",
            ),
            "2.3": (
                "Run the unhealthy monitor's probe again.",
                "The table tells which probe that is.",
                "The command for it.",
                "Say PopCTPMonitor fails.",
                "Its probe is PopCTPProbe.",
                "How to run that on one server.",
            ),
            "2.4": (
                "Look at the probe's result.",
                "Succeeded: it was transient, and is over.",
                "Anything else: on to the recovery steps.",
            ),
        },
        Section.MAILBOX: {
            "0": ("Such alerts mostly come from Mailbox servers.",),
            "1": (
                "Restart POP3's back end.",
                _HOW_TO_RESTART,
            ),
            "2": (_RERUN,),
            "3": ("Still failing: bar the server and move its databases away.",),
            "4": (
                "Once they are gone, see that they arrived.",
                "The command for it: copies counted by status.",
            ),
            "5": (
                "Be sure that no copy is active here.",
                "With that certain, reboot it.",
            ),
            "6": ("When it is back, run the probe again.",),
            "7": ("Probe succeeds: let the server host databases again.",),
            "8": (
                _HELP,
                _ASK,
                _WHERE_SUPPORT_IS,
                _OWN_RULES,
            ),
        },
        Section.CLIENT_ACCESS: {
            "0": ("Such alerts mostly come from client access servers.",),
            "1": (
                "Restart POP3 on the client access servers.",
                _HOW_TO_RESTART,
            ),
            "2": (_RERUN,),
            "3": ("Still there: take the steps below.",),
            "3.1": ("Turn protocol logging on.",),
            "3.2": ("Restart POP3 there, so that it logs.",),
            "3.3": (_RERUN,),
            "3.4": ("Read the settings; they tell where the log is.",),
            "3.5": ("Find the mailbox behind it by the times of the probe.",),
            "3.6": ("Any of them unhealthy: take the Deep/SelfTest section's steps.",),
            "4": ("Mailbox side well: restart the client access server.",),
            "5": ("When it is back, run the probe again.",),
            "6": ("Turn logging off again.",),
            "7": (
                "Restart POP3 there once more.",
                _HOW_TO_RESTART,
            ),
            "8": (
                _HELP,
                _ASK,
                _WHERE_SUPPORT_IS,
                _OWN_RULES,
            ),
        },
        Section.PROXY: {
            "1": (
                "Restart POP3 on the client access servers.",
                _HOW_TO_RESTART,
            ),
            "2": (_RERUN,),
            "3": ("Still failing: restart the client access server.",),
            "4": ("When it is back, run the probe again.",),
            "5": (
                _HELP,
                _ASK,
                _WHERE_SUPPORT_IS,
                _OWN_RULES,
            ),
        },
        Section.COMMAND_TIME: {
            "0": ("Such alerts come from servers of either role.",),
            "1": (
                "Restart POP3 on them.",
                _HOW_TO_RESTART,
            ),
            "2": (
                "Give it ten minutes and see whether it keeps well.",
                "Then read the health of the POP sets.",
            ),
            "3": (
                "Still there: the server must be restarted.",
                "With client access only, nothing more to it.",
                "With mailboxes, move the databases and check.",
                "How, in the steps below.",
            ),
            "3.1": (
                "Bar the server and move its databases away.",
                "Put the real server's name into the commands.",
            ),
            "3.2": (
                "See that all of them have left.",
                "The command for it: copies counted by status.",
                "None active any more: restart the server.",
            ),
            "4": ("When it is back, ten more minutes, then look as before.",),
            "5": ("Well, and with mailboxes: let it host databases again.",),
            "6": (
                _HELP,
                _ASK,
                _WHERE_SUPPORT_IS,
                _OWN_RULES,
            ),
        },
    }
)


def in_our_words(step: Step) -> str:
    """What a sentence says, in our words; empty if the page has none such."""
    sentences = SENTENCES[step.section].get(step.number, ())
    return sentences[step.sentence - 1] if 0 < step.sentence <= len(sentences) else ""
