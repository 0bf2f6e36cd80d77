"""What is assumed of each look: when it can see what."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from popheal.tables import actions
from popheal.tables.outcomes import COULD_NOT_TELL
from popheal.verify.model import Answer, Contract

_UNCLEAR: Final = Answer(
    outcome=COULD_NOT_TELL, sentence="Nobody could be asked, or the answer was lost."
)
#: What is known of back ends once they have been found.
_FOUND: Final = ("unknown", "well", "ill", "off")

LOOKS: Final = (
    Contract(
        action=actions.PROBE,
        sentence="It can fail, hang or name a cause at any time, and succeed at any time while the "
        "server is up: a probe may flap, and says nothing about the next. That it fails is no "
        "sign that the gates of triage are open: they may not have been readable.",
        answers=(
            Answer(outcome="succeeded", sentence="The probe passed.", when={"server": "up"}),
            Answer(outcome="failed", sentence="The probe failed."),
            Answer(outcome="timed_out", sentence="The probe ran into its time limit."),
            Answer(
                outcome="blocked",
                sentence="The probe failed, and a gate of triage holds.",
                when={"gate": "closed"},
            ),
            Answer(
                outcome="blocked",
                sentence="The probe failed, and what it says names a cause that no step cures.",
            ),
            _UNCLEAR,
        ),
        looks_at_server=True,
    ),
    Contract(
        action=actions.PROBE_MAILBOX_SIDE,
        sentence="Like any other probe.",
        answers=(
            Answer(outcome="succeeded", sentence="A probe passed.", when={"server": "up"}),
            Answer(outcome="failed", sentence="No probe passed, and one failed."),
            _UNCLEAR,
        ),
        looks_at_server=True,
    ),
    Contract(
        action=actions.CHECK_HEALTH,
        sentence="Like a probe: the monitor's row may say anything while the server is up.",
        answers=(
            Answer(outcome="healthy", sentence="The monitor is Healthy.", when={"server": "up"}),
            Answer(outcome="unhealthy", sentence="The monitor is Unhealthy."),
            Answer(
                outcome="blocked",
                sentence="The monitor is Unhealthy, and a gate of triage holds.",
                when={"gate": "closed"},
            ),
            Answer(
                outcome="blocked",
                sentence="The monitor is Unhealthy, and its row names a cause that no step cures.",
            ),
            _UNCLEAR,
        ),
        looks_at_server=True,
    ),
    Contract(
        action=actions.WAIT,
        sentence="Time passes; everything may happen meanwhile.",
        answers=(Answer(outcome="elapsed", sentence="The time is over."),),
    ),
    Contract(
        action=actions.CHECK_COMPONENT,
        sentence="It can say that PopProxy may be made active only while it is inactive, and it is "
        "not trusted for longer than the moment.",
        answers=(
            Answer(
                outcome="feasible",
                sentence="HealthAPI alone keeps PopProxy inactive.",
                when={"component": ("inactive", "sent")},
            ),
            Answer(outcome="infeasible", sentence="Something speaks against it."),
            _UNCLEAR,
        ),
    ),
    Contract(
        action=actions.KEEP_COMPONENT,
        sentence="It sees whether PopProxy is active at that moment, whoever made it so.",
        answers=(
            Answer(
                outcome="done",
                sentence="PopProxy is active.",
                when={"component": ("ours", "others")},
            ),
            Answer(
                outcome="inactive",
                sentence="PopProxy is inactive.",
                when={"component": ("inactive", "sent")},
            ),
            _UNCLEAR,
        ),
    ),
    Contract(
        action=actions.CHECK_SWITCHOVER,
        sentence="It can say that the databases can move only for a server with the Mailbox role, "
        "while no gate of triage holds, and it is not trusted for longer than the moment: another "
        "member may go down at once.",
        answers=(
            Answer(
                outcome="feasible",
                sentence="All databases can move.",
                when={"role": "mailbox", "gate": "open"},
            ),
            Answer(outcome="infeasible", sentence="A database can't move."),
            _UNCLEAR,
        ),
        looks_at_server=True,
    ),
    Contract(
        action=actions.VERIFY_COPIES,
        sentence="It can say that no copy is active only where none is, at that moment, and all "
        "are mounted elsewhere.",
        answers=(
            Answer(
                outcome="clear",
                sentence="No copy is active on the server, all are mounted elsewhere.",
                when={"role": "mailbox", "copies": "clear"},
            ),
            Answer(outcome="active", sentence="A copy is still active on the server."),
            _UNCLEAR,
        ),
        looks_at_server=True,
    ),
    Contract(
        action=actions.AWAIT_SERVER,
        sentence="It can say that the server is up only if it is, and has booted since the "
        "restart was commanded (or somebody else had restarted it before).",
        answers=(
            Answer(
                outcome="up",
                sentence="The server has booted and its services run.",
                when={"server": "up", "boots": ("others", "back")},
            ),
            Answer(outcome="not_back", sentence="It has not come back in time."),
            _UNCLEAR,
        ),
        looks_at_server=True,
    ),
    Contract(
        action=actions.FIND_BACKENDS,
        sentence="It may find a back end, none, or be unable to tell.",
        answers=(
            Answer(
                outcome="found", sentence="A Mailbox server was named.", then={"found": "unknown"}
            ),
            Answer(outcome="not_found", sentence="None was named.", then={"found": "none"}),
            evolve(_UNCLEAR, then={"found": "untold"}),
        ),
    ),
    Contract(
        action=actions.CHECK_BACKENDS,
        sentence="The back end, once found, may be well, ill, switched off, or not to be told.",
        answers=(
            Answer(
                outcome="healthy",
                sentence="The back end is healthy.",
                when={"found": _FOUND},
                then={"found": "well"},
            ),
            Answer(
                outcome="unhealthy",
                sentence="The back end is unhealthy.",
                when={"found": _FOUND},
                then={"found": "ill"},
            ),
            Answer(
                outcome="off",
                sentence="POP is switched off on the back end.",
                when={"found": _FOUND},
                then={"found": "off"},
            ),
            _UNCLEAR,
        ),
    ),
)
