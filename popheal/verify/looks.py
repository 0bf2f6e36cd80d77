"""What is assumed of each look: when it can see what."""

from __future__ import annotations

from typing import Final

from attrs import evolve

from popheal.tables.actions import COULD_NOT_TELL, Impact
from popheal.verify.model import Answer, Contract

_UNCLEAR: Final = Answer(
    outcome=COULD_NOT_TELL, sentence="Nobody could be asked, or the answer was lost."
)
#: What is known of back ends once they have been found.
_FOUND: Final = ("unknown", "well", "ill")

LOOKS: Final = (
    Contract(
        action="probe",
        impact=Impact.LOOK,
        sentence="It can fail at any time, and succeed at any time while the server is up: a probe "
        "may flap, and says nothing about the next.",
        answers=(
            Answer(outcome="succeeded", sentence="The probe passed.", when={"server": "up"}),
            Answer(outcome="failed", sentence="The probe failed."),
            _UNCLEAR,
        ),
        good=("succeeded",),
        reasons=(COULD_NOT_TELL,),
        last_resort=("failed",),
        looks_at_server=True,
    ),
    Contract(
        action="check_health",
        impact=Impact.LOOK,
        sentence="Like a probe: the monitor's row may say anything while the server is up.",
        answers=(
            Answer(outcome="healthy", sentence="The monitor is Healthy.", when={"server": "up"}),
            Answer(outcome="unhealthy", sentence="The monitor is Unhealthy."),
            _UNCLEAR,
        ),
        good=("healthy",),
        reasons=(COULD_NOT_TELL,),
        last_resort=("unhealthy",),
        looks_at_server=True,
    ),
    Contract(
        action="wait",
        impact=Impact.LOOK,
        sentence="Time passes; everything may happen meanwhile.",
        answers=(Answer(outcome="elapsed", sentence="The time is over."),),
        good=("elapsed",),
    ),
    Contract(
        action="check_switchover",
        impact=Impact.LOOK,
        sentence="It can say that the databases can move only for a server with the Mailbox role, "
        "and it is not trusted for longer than the moment: another member may go down at once.",
        answers=(
            Answer(
                outcome="feasible", sentence="All databases can move.", when={"role": "mailbox"}
            ),
            Answer(outcome="infeasible", sentence="A database can't move."),
            _UNCLEAR,
        ),
        good=("feasible",),
        reasons=("infeasible", COULD_NOT_TELL),
        looks_at_server=True,
    ),
    Contract(
        action="verify_copies",
        impact=Impact.LOOK,
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
        good=("clear",),
        reasons=("active", COULD_NOT_TELL),
        looks_at_server=True,
    ),
    Contract(
        action="await_server",
        impact=Impact.RESTORE,
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
        good=("up",),
        reasons=("not_back", COULD_NOT_TELL),
        looks_at_server=True,
    ),
    Contract(
        action="find_backends",
        impact=Impact.LOOK,
        sentence="It may find a back end, none, or be unable to tell.",
        answers=(
            Answer(
                outcome="found", sentence="A Mailbox server was named.", then={"found": "unknown"}
            ),
            Answer(outcome="not_found", sentence="None was named.", then={"found": "none"}),
            evolve(_UNCLEAR, then={"found": "untold"}),
        ),
        good=("found",),
        reasons=(COULD_NOT_TELL,),
    ),
    Contract(
        action="check_backends",
        impact=Impact.LOOK,
        sentence="The back end, once found, may be well, ill, or not to be told.",
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
            _UNCLEAR,
        ),
        good=("healthy", "unhealthy"),
        reasons=(COULD_NOT_TELL,),
    ),
)
