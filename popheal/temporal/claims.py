"""What a healing has claimed, of which custodians, and what others have done there lately."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final

from attrs import define, field
from temporalio import workflow
from temporalio.exceptions import FailureError

from popheal.engine.requests import Claim, Count, Effect, Holder
from popheal.exchange.names import same_server
from popheal.journal.entries import EffectIntended
from popheal.journal.past_effects import Reboot
from popheal.temporal.custodian import Custodian, custodian_id
from popheal.temporal.custody import (
    Begin,
    Begun,
    ClaimAnswer,
    Claimant,
    ClaimOrder,
    Line,
    Release,
    TakeOver,
)
from popheal.temporal.messages import Settlement

#: Of what is counted, the method of the backend.
_COUNTED: Final = {"reboots": "reboot", "restarts": "restart_service"}


@define
class Claims:
    """The claims of one healing.

    Args:
        organisation: Whose custodians they are.
        ask: Asks a custodian, by the activity of that name.

    Attributes:
        rights: The custodians whose right it has, each with the token that it gave.
        begun: What others have done there.
        effects: What it has had commanded, by the names that custodians know; of every history.
    """

    organisation: str
    ask: Callable[[str, ClaimOrder | TakeOver], Awaitable[Any]]
    rights: dict[str, int] = field(factory=dict, init=False)
    begun: list[Begun] = field(factory=list, init=False)
    effects: list[str] = field(factory=list, init=False)

    async def claim(
        self, request: Claim, healing: str, entries: Callable[[], tuple[Line, ...]]
    ) -> Holder | bool:
        """Claim something, if that is asked for: who else has it, or whether it is ours now.

        Args:
            request: What is to be claimed.
            healing: The healing's id.
            entries: What has been written down since, to go with the question.
        """
        custodian = custodian_id(self.organisation, request.kind, request.name)
        if custodian in self.rights:
            return False
        only_look, who = request.only_look, _here(healing)
        order = ClaimOrder(custodian=custodian, who=who, only_look=only_look, entries=entries())
        answer: ClaimAnswer = await self.ask("claim", order)
        if answer.holder is not None:
            said = _next_step(answer.holder, custodian, alive=answer.alive)
            return Holder(answer.holder.healing, answer.alive, said)
        if not answer.token:
            return False
        self._note(custodian, answer)
        return True

    async def take_over(self, settles: Settlement) -> str:
        """Have the rights of the healing that is settled; of whom one was not to be had, if so."""
        who = _here(settles.healing)
        for custodian in settles.custodians:
            order = TakeOver(custodian=custodian, who=who)
            answer: ClaimAnswer = await self.ask("take_over", order)
            if not answer.token:
                return custodian
            self._note(custodian, answer)
        return ""

    def _note(self, custodian: str, answer: ClaimAnswer) -> None:
        self.rights[custodian] = answer.token
        self.begun += [one for one in answer.begun if one not in self.begun]

    def begin(
        self, effect: Effect, intent: EffectIntended, healing: str, at: datetime
    ) -> tuple[str, Begin, int]:
        """By whom an effect is to be granted, what is asked there, and for which time."""
        custodian, token = self._of(intent)
        # Of nothing that a reset would change: then the latch knows it again.
        said = (effect.name, *map(str, effect.args[1:]))
        step = (intent.run_id, str(len(intent.run.path)), intent.state, *said)
        name = "/".join((workflow.info().first_execution_run_id, *step))
        tries = 1 + sum(one.rpartition("/")[0] == name for one in self.effects)
        self.effects.append(f"{name}/{tries}")
        begin = Begin(
            healing=healing,
            token=token,
            effect=self.effects[-1],
            server=intent.server,
            what=effect.name,
            dag=intent.dag or "",
            at=at,
        )
        return custodian, begin, tries

    def _of(self, intent: EffectIntended) -> tuple[str, int]:
        for kind, name in (("dag", intent.dag), ("server", intent.server)):
            custodian = custodian_id(self.organisation, kind, name) if name else ""
            if custodian in self.rights:
                return custodian, self.rights[custodian]
        raise AssertionError("an effect without a claim")

    def reboots_by_others(self, request: Count[list[Reboot]]) -> list[Reboot]:
        """Which servers others have restarted, or may have."""
        found = self._by_others(request.what, request.since)
        return [Reboot(server=one.server, at=one.at, dag=one.dag) for one in found]

    def restarts_by_others(self, request: Count[list[datetime]]) -> list[datetime]:
        """When others have restarted services of a server, or may have."""
        found = self._by_others(request.what, request.since)
        return [one.at for one in found if same_server(one.server, request.server)]

    def _by_others(self, what: str, since: datetime) -> list[Begun]:
        return [one for one in self.begun if one.what == _COUNTED[what] and one.at >= since]

    async def release(self, healing: str) -> None:
        """Give every claim up: by signals, which arrive though the workflow ends."""
        for custodian, token in self.rights.items():
            handle = workflow.get_external_workflow_handle(custodian)
            try:
                await handle.signal(Custodian.release, Release(healing=healing, token=token))
            except FailureError:
                continue  # somebody has ended it, and what it knew is gone
        self.rights.clear()


def _here(healing: str) -> Claimant:
    """A healing, as this workflow carries it out."""
    info = workflow.info()
    first_run = info.first_execution_run_id
    return Claimant(healing=healing, workflow=info.workflow_id, first_run=first_run)


def _next_step(holder: Claimant, custodian: str, *, alive: bool) -> str:
    server = holder.workflow.rpartition("/")[2]
    if alive:
        return f"Let it, or stop it: popheal fleet stop {server}"
    return (
        f"Its workflow, {holder.workflow}, has ended without giving it up. Have it settled: "
        f"popheal fleet settle {server}. Or look at the servers, put back, then: popheal fleet "
        f"clear {custodian} --why TEXT"
    )
