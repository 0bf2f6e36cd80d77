"""What a policy means, in sentences: what popheal may do, whom it asks, and what it never does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from popheal.policy.policy import Consent, Policy
from popheal.tables.actions import Impact

_UNDECIDED: Final = (
    "Nobody has decided yet whether a person must approve (approval_from): at a terminal it asks "
    "before it drains or restarts a server, and where there is none, as in a watch, it holds."
)


def in_words(policy: Policy) -> tuple[str, ...]:
    """The policy as a paragraph, sentence by sentence."""
    return (*_may(policy), *_when(policy), *_asks(policy), *_never(policy))


def _may(policy: Policy) -> Iterator[str]:
    if not policy.allows(Impact.CHANGE):
        yield "popheal only looks: the policy allows no change (highest_impact)."
        return
    often = policy.restarts_per_hour
    limit = f"at most {_times(often)} within an hour" if often else "but restarts_per_hour is 0"
    yield (
        f"popheal may restart the POP3 services of a server, {limit}, and turn POP3 protocol "
        "logging on for as long as it needs that."
    )
    if not policy.allows(Impact.DISRUPT) or not policy.reboots_per_server:
        why = "reboots_per_server" if policy.allows(Impact.DISRUPT) else "highest_impact"
        yield f"It drains no server, and restarts none ({why})."
        return
    members = (
        "all other members of its group are"
        if policy.healthy_members is None
        else f"{policy.healthy_members} other members of its group are"
    )
    yield (
        "Where that does not help, it may move the databases away from a server and restart it: "
        f"at most {_times(policy.reboots_per_server)} within 24 hours, no other member of its "
        f"group within {policy.hours_between_reboots:g} hours, and only while {members} well."
    )


def _when(policy: Policy) -> Iterator[str]:
    if policy.windows and policy.allows(policy.window_from):
        least = "changes anything" if policy.window_from is Impact.CHANGE else "drains or restarts"
        yield f"It {least} only in a window: {'; '.join(map(str, policy.windows))}."


def _asks(policy: Policy) -> Iterator[str]:
    if not policy.allows(Impact.CHANGE):
        return
    yield approval_in_words(policy)
    if policy.pop_proxy is not Consent.NEVER and not policy.needs_approval(Impact.CHANGE):
        alone = "asks a person before" if policy.pop_proxy is Consent.ASK else "asks nobody before"
        yield f"It {alone} it makes PopProxy active again."


def approval_in_words(policy: Policy) -> str:
    """Whom it asks before it changes something, by the policy: the one place that says so."""
    another = ", who must not be the one who began" if policy.approval_by_another else ""
    if policy.needs_approval(Impact.CHANGE):
        return f"It asks a person before it changes anything{another}."
    if not policy.allows(Impact.DISRUPT):
        return "It asks nobody."
    if policy.approval_undecided:
        return _UNDECIDED
    if policy.needs_approval(Impact.DISRUPT):
        return f"It asks a person before it drains or restarts a server{another}."
    return "It asks nobody before it drains or restarts a server (approval_from)."


def undecided_in_words() -> str:
    """What it does where nobody has decided that, and how to decide."""
    return f'{_UNDECIDED} To decide: approval_from = "disrupt" (ask), or "never", under [policy].'


def _never(policy: Policy) -> Iterator[str]:
    yield (
        "It never turns POP on where it is off, and never does anything drastic where it could "
        "not tell how things are."
    )
    if policy.allows(Impact.DISRUPT):
        yield (
            "It never restarts a server on which a database is active, nor one whose databases "
            "would be left without enough healthy copies elsewhere."
        )
    if policy.allows(Impact.CHANGE) and policy.pop_proxy is Consent.NEVER:
        yield "It never makes PopProxy active (pop_proxy)."


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")
