"""The runbook as it stands: its text as tables, without any of our repairs.

Each state is a sentence of the page, each row what the page says comes next. The page knows no
command that fails and no answer that is lost, so neither do these actions. Where it is silent
about what comes next, the reading is named in the row's citation. The tables are made to be
refuted: nothing runs them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import evolve, frozen

from popheal.tables.actions import BACK_END, BY_ROLE, FRONT_END, WAIT, restart_service
from popheal.tables.citations import Ours, Section
from popheal.tables.table import CANCEL, Guard, Procedure, Verdict, on, otherwise, state
from popheal.verify.build import build
from popheal.verify.environment import STOP
from popheal.verify.explorer import explore
from popheal.verify.prove import Proof, Result, contracts_for, verify
from tests.evidence.endless import lasso
from tests.evidence.literal_actions import (
    ALLOW,
    CHECK_BACKENDS,
    CHECK_HEALTH,
    EVERYWHERE,
    FIND,
    FOLLOW,
    LITERAL_CONTRACTS,
    LOGGING_OFF,
    LOGGING_ON,
    MOVE_OUT,
    PROBE,
    RESTART,
    VERIFY,
    plain,
)
from tests.support.circular import Circular

_SUPPORT: Final = "contacting_support"
_ENDINGS: Final = {
    "healed": Verdict.RECOVERED,
    _SUPPORT: Verdict.ESCALATED,
}
_STOPPED: Final = (on(CANCEL, _SUPPORT, Ours("the text knows no stop, and none is tried")),)
_VERIFYING: Final = Section.VERIFYING.step


# --- the tables ----------------------------------------------------------------------------------


def _mailbox() -> Procedure:
    step = Section.MAILBOX.step
    return Circular(
        name="literal_mailbox",
        section=Section.MAILBOX,
        start="step_1_restart_service",
        states=(
            state(
                "step_1_restart_service",
                plain(restart_service(BACK_END)),
                step("1"),
                otherwise("step_2_probe", step("2")),
            ),
            state(
                "step_2_probe",
                PROBE,
                step("2"),
                on("succeeded", "healed", _VERIFYING("2.4", 2)),
                on("failed", "step_3_move_databases", step("3")),
            ),
            state(
                "step_3_move_databases",
                MOVE_OUT,
                step("3"),
                otherwise("step_4_verify", step("4")),
            ),
            state(
                "step_4_verify",
                VERIFY,
                step("4"),
                on("clear", "step_5_restart_server", step("5")),
                on("active", "step_4_verify", step("4")),
            ),
            state(
                "step_5_restart_server",
                RESTART,
                step("5", 2),
                otherwise("step_6_probe", step("6")),
            ),
            state(
                "step_6_probe",
                PROBE,
                step("6"),
                on("succeeded", "step_7_move_back", step("7")),
                on("failed", _SUPPORT, step("8")),
            ),
            state("step_7_move_back", ALLOW, step("7"), otherwise("healed", step("7"))),
        ),
        endings=_ENDINGS,
        on_cancel=_STOPPED,
    )


def _client_access(name: str, after_3_6: str, why: str) -> Procedure:
    """The CTP section; the text does not say where to go on after step 3.6."""
    step = Section.CLIENT_ACCESS.step
    return Circular(
        name=name,
        section=Section.CLIENT_ACCESS,
        start="step_1_restart_service",
        states=(
            state(
                "step_1_restart_service",
                plain(restart_service(FRONT_END)),
                step("1"),
                otherwise("step_2_probe", step("2")),
            ),
            state(
                "step_2_probe",
                PROBE,
                step("2"),
                on("succeeded", "healed", _VERIFYING("2.4", 2)),
                on("failed", "step_3_1_logging_on", step("3.1")),
            ),
            state(
                "step_3_1_logging_on",
                LOGGING_ON,
                step("3.1"),
                otherwise("step_3_2_restart_service", step("3.2")),
            ),
            state(
                "step_3_2_restart_service",
                plain(restart_service(FRONT_END)),
                step("3.2"),
                otherwise("step_3_3_probe", step("3.3")),
            ),
            state(
                "step_3_3_probe",
                PROBE,
                step("3.3"),
                on("succeeded", "healed", _VERIFYING("2.4", 2)),
                on("failed", "step_3_4_find_log", step("3.4")),
            ),
            state(
                "step_3_4_find_log",
                FIND,
                step("3.4"),
                otherwise("step_3_5_check_mailbox_servers", step("3.5")),
            ),
            state(
                "step_3_5_check_mailbox_servers",
                CHECK_BACKENDS,
                step("3.5"),
                on("unhealthy", "step_3_6_mailbox_section", step("3.6")),
                on("healthy", "step_4_restart_cas", step("4")),
            ),
            state(
                "step_3_6_mailbox_section",
                FOLLOW,
                step("3.6"),
                otherwise(after_3_6, Ours(why)),
            ),
            state(
                "step_4_restart_cas",
                RESTART,
                step("4"),
                otherwise("step_5_probe", step("5")),
            ),
            state(
                "step_5_probe",
                PROBE,
                step("5"),
                otherwise("step_6_logging_off", step("6")),
            ),
            state(
                "step_6_logging_off",
                LOGGING_OFF,
                step("6"),
                otherwise("step_7_restart_service", step("7")),
            ),
            state(
                "step_7_restart_service",
                EVERYWHERE,
                step("7"),
                otherwise("step_8_probe", Ours("step 8 asks whether the probe still fails")),
            ),
            state(
                "step_8_probe",
                PROBE,
                step("8"),
                on("succeeded", "healed", _VERIFYING("2.4", 2)),
                on("failed", _SUPPORT, step("8")),
            ),
        ),
        endings=_ENDINGS,
        on_cancel=_STOPPED,
    )


def _proxy() -> Procedure:
    step = Section.PROXY.step
    return Circular(
        name="literal_proxy",
        section=Section.PROXY,
        start="step_1_restart_service",
        states=(
            state(
                "step_1_restart_service",
                EVERYWHERE,
                step("1"),
                otherwise("step_2_probe", step("2")),
            ),
            state(
                "step_2_probe",
                PROBE,
                step("2"),
                on("succeeded", "healed", _VERIFYING("2.4", 2)),
                on("failed", "step_3_restart_cas", step("3")),
            ),
            state(
                "step_3_restart_cas",
                RESTART,
                step("3"),
                otherwise("step_4_probe", step("4")),
            ),
            state(
                "step_4_probe",
                PROBE,
                step("4"),
                on("succeeded", "healed", _VERIFYING("2.4", 2)),
                on("failed", _SUPPORT, step("5")),
            ),
        ),
        endings=_ENDINGS,
        on_cancel=_STOPPED,
    )


def _command_time() -> Procedure:
    step = Section.COMMAND_TIME.step
    return Circular(
        name="literal_command_time",
        section=Section.COMMAND_TIME,
        start="step_1_restart_service",
        states=(
            state(
                "step_1_restart_service",
                plain(restart_service(BY_ROLE)),
                step("1"),
                otherwise("step_2_wait", step("2")),
            ),
            state("step_2_wait", WAIT, step("2"), otherwise("step_2_check", step("2", 2))),
            state(
                "step_2_check",
                CHECK_HEALTH,
                step("2", 2),
                on("healthy", "healed", step("2")),
                on("unhealthy", "step_3_1_move_databases", step("3.1"), given=Guard.MAILBOX_ROLE),
                on("unhealthy", "step_3_restart_server", step("3", 2), unless=Guard.MAILBOX_ROLE),
            ),
            state(
                "step_3_1_move_databases",
                MOVE_OUT,
                step("3.1"),
                otherwise("step_3_2_verify", step("3.2")),
            ),
            state(
                "step_3_2_verify",
                VERIFY,
                step("3.2"),
                on("clear", "step_3_restart_server", step("3.2", 3)),
                on("active", "step_3_2_verify", step("3.2")),
            ),
            state(
                "step_3_restart_server",
                RESTART,
                step("3.2", 3),
                otherwise("step_4_wait", step("4")),
            ),
            state("step_4_wait", WAIT, step("4"), otherwise("step_4_check", step("4"))),
            state(
                "step_4_check",
                CHECK_HEALTH,
                step("4"),
                on("healthy", "step_5_move_back", step("5"), given=Guard.MAILBOX_ROLE),
                on("healthy", "healed", step("5"), unless=Guard.MAILBOX_ROLE),
                on("unhealthy", _SUPPORT, step("6")),
            ),
            state("step_5_move_back", ALLOW, step("5"), otherwise("healed", step("5"))),
        ),
        endings=_ENDINGS,
        on_cancel=_STOPPED,
    )


#: The text's sections as tables. Step 3.6 of the CTP section is read in two ways.
LITERAL: Final[Mapping[str, Procedure]] = MappingProxyType(
    {
        one.name: one
        for one in (
            _mailbox(),
            _client_access(
                "literal_client_access",
                "healed",
                "read as: the other section takes over, and this one is left",
            ),
            _client_access(
                "literal_client_access_returning",
                "step_3_5_check_mailbox_servers",
                'read as: "any of these servers", so look at them again, and go on from there',
            ),
            _proxy(),
            _command_time(),
        )
    }
)


@frozen(kw_only=True)
class Finding:
    """A property that the text breaks."""

    proof: Proof
    result: Result


def literal_findings() -> tuple[Finding, ...]:
    """Every property that a section of the text breaks, those shown fastest first."""
    found = [
        Finding(proof=proof, result=_shown(table, result))
        for table in LITERAL.values()
        for proof in (verify(table, contracts=LITERAL_CONTRACTS, without=(STOP,)),)
        for result in proof.refuted
    ]
    return tuple(sorted(found, key=lambda one: len(one.result.trace) if one.result.trace else 999))


def _shown(table: Procedure, result: Result) -> Result:
    """The result; with the way that goes on for ever, where there is one."""
    if result.property.id != "P13":
        return result
    system = build(table, contracts_for(table, extra=LITERAL_CONTRACTS), without=(STOP,))
    trace = lasso(explore(system), f"P13 does not hold. {result.property.sentence}")
    return evolve(result, trace=trace, counterexample=trace and trace.text())
