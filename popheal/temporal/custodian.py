"""The custodian: a workflow that guards a server, a group or a site's client access role.

It says who may act there, with a fencing token; and it grants each effect once, right before the
command. It answers at once and never queues. A right is never taken back by time: time says
nothing about a drained server.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

from attrs import evolve
from temporalio import workflow
from temporalio.common import VersioningBehavior

from popheal.exchange.names import short_name
from popheal.temporal.custody import (
    Begin,
    BeginAnswer,
    Begun,
    ClaimAnswer,
    Claimant,
    ClaimOrder,
    Custody,
    Release,
    TakeOver,
)
from popheal.temporal.messages import Decision

#: How long effects are remembered; no budget looks back further.
_REMEMBERED: Final = timedelta(days=8)


def custodian_id(organisation: str, kind: str, name: str) -> str:
    """The workflow id of what guards a ``server``, a ``dag`` or a ``site``."""
    wanted = short_name(name) if kind == "server" else name.casefold()
    return f"popheal/custodian/{organisation}/{kind}/{wanted}"


@workflow.defn(name="popheal.Custodian", versioning_behavior=VersioningBehavior.AUTO_UPGRADE)
class Custodian:
    """Guards one thing, as long as there is a fleet."""

    @workflow.init
    def __init__(self, custody: Custody) -> None:
        self.custody = custody

    @workflow.run
    async def run(self, custody: Custody) -> None:  # noqa: ARG002 - taken in by __init__
        """Be there; and begin anew with what is known, when the history has become long.

        A cancel does not end it: what it knows is not to be forgotten.
        """
        while not self._is_long:
            try:
                await workflow.wait_condition(lambda: self._is_long)
            except asyncio.CancelledError:
                if workflow.cancellation_reason() is None:
                    raise  # it is only dropped from memory
        workflow.continue_as_new(self.custody)

    @property
    def _is_long(self) -> bool:
        suggested = workflow.info().is_continue_as_new_suggested()
        return suggested and workflow.all_handlers_finished()

    @workflow.update
    def claim(self, order: ClaimOrder) -> ClaimAnswer:
        """Claim it; or only see who has."""
        known, who = self.custody, order.who
        if known.holder and known.holder.healing != who.healing:
            return ClaimAnswer(holder=known.holder)
        if order.only_look:
            return ClaimAnswer()  # no right comes of a look, so none is given up for one
        if known.holder:
            return self._granted(who)
        return self._given_to(who)

    @workflow.update
    def take_over(self, order: TakeOver) -> ClaimAnswer:
        """Who settles a healing has its right, with a new token: its own workers can't begin.

        Whoever asks has seen that the workflow that has the right has ended.
        """
        holder, who = self.custody.holder, order.who
        if holder == who:
            return self._granted(who)  # asked twice
        if holder is None or holder != order.instead_of or holder.healing != who.healing:
            return ClaimAnswer(holder=holder)
        return self._given_to(who)

    @workflow.update
    def begin(self, order: Begin) -> BeginAnswer:
        """Grant an effect: to who has the claim, once, to one execution of it."""
        known = self.custody
        holder = known.holder
        if holder is None or holder.healing != order.healing or known.token != order.token:
            return BeginAnswer(why="another healing has the right to act there, or nobody has")
        done = next((one for one in known.begun if one.effect == order.effect), None)
        if done:
            same = done.nonce == order.nonce
            return BeginAnswer(granted=same, begun=not same)
        begun = Begun(
            healing=order.healing,
            effect=order.effect,
            nonce=order.nonce,
            server=order.server,
            what=order.what,
            at=order.at,
            dag=order.dag,
            revoked=order.revoked,
        )
        self.custody = evolve(known, begun=(*self._remembered(order.at), begun))
        return BeginAnswer(granted=True)

    @workflow.signal
    def release(self, order: Release) -> None:
        """Give it up. Who has not got it changes nothing."""
        holder, token = self.custody.holder, self.custody.token
        if holder and holder.healing == order.healing and order.token in (0, token):
            self.custody = evolve(self.custody, holder=None, since=None)

    @workflow.update
    def clear(self, decision: Decision) -> Custody:
        """A person has looked, and says that nobody is at work there any more.

        Returns what was known before.
        """
        known = self.custody
        self.custody = evolve(known, holder=None, since=None)
        workflow.logger.info("cleared by %s: %s", decision.who, decision.why)
        return known

    @workflow.query
    def state(self) -> Custody:
        """Everything that is known."""
        return self.custody

    def _given_to(self, who: Claimant) -> ClaimAnswer:
        # It begins with the time: one that was ended by a person, and made anew, grows on.
        token = max(self.custody.token + 1, int(workflow.now().timestamp() * 1000))
        self.custody = evolve(self.custody, token=token, holder=who, since=workflow.now())
        return self._granted(who)

    def _granted(self, who: Claimant) -> ClaimAnswer:
        others = tuple(
            one for one in self.custody.begun if one.healing != who.healing and not one.revoked
        )
        return ClaimAnswer(token=self.custody.token, begun=others)

    def _remembered(self, now: datetime) -> tuple[Begun, ...]:
        """What no budget needs, and no open healing, is forgotten."""
        holder = self.custody.holder.healing if self.custody.holder else ""
        return tuple(
            one
            for one in self.custody.begun
            if one.healing == holder or one.at >= now - _REMEMBERED
        )
