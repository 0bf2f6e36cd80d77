"""``resume`` and ``cancel``: going on with what was interrupted, and stopping what goes on."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from attrs import define, field

from popheal import api
from popheal.cli import completion
from popheal.cli.exit_codes import DEFECT, NEEDED, status_of, worst
from popheal.cli.options import (
    config_option,
    journal_option,
    journal_options,
    json_option,
    yes_option,
)
from popheal.cli.prompt import approver_here
from popheal.cli.render import console
from popheal.cli.session import (
    decided,
    find,
    interruptible,
    journal_path,
    notifiers,
    open_journal,
    options_again,
    show_report,
    story_of,
    watched,
)
from popheal.cli.signals import obeying
from popheal.engine.control import Control
from popheal.errors import (
    AlreadyEnded,
    AlreadyRunning,
    ConfigurationError,
    JournalError,
    PophealError,
)
from popheal.reports.report import Alert, Report
from popheal.util.defects import DEFECTS, describe_defect
from popheal.util.serialize import from_jsonable
from popheal.util.text import moment, one_line

if TYPE_CHECKING:
    from popheal.journal import HealingRecord, Journal
    from popheal.policy.policy import Policy
    from popheal.reports.events import Observer
    from popheal.second_opinion import SecondOpinion

_STOPPED: Final = "a person said stop"


@define(kw_only=True)
class _Resuming:
    """Going on with healings of one journal on one organisation.

    Attributes:
        skipped: What was not resumed, and why.
        statuses: The exit statuses so far.
    """

    journal: Journal
    backend: Any
    policy: Policy
    second_opinion: SecondOpinion | None
    notifiers: list[Observer]
    options: str
    as_json: bool
    control: Control
    skipped: list[dict[str, str]] = field(factory=list, init=False)
    statuses: list[int] = field(factory=list, init=False)

    def one(self, record: HealingRecord) -> Report:
        """Go on with a healing, and tell the story."""
        if record.organisation != self.backend.organisation:
            raise ConfigurationError(
                source=f"Healing {record.id}",
                problem=f"was begun on the organisation {record.organisation}, but the "
                f"configuration leads to {self.backend.organisation}",
                next_step="Give the configuration that it was begun with; nothing was done.",
            )
        story = story_of(from_jsonable(record.alert, Alert), as_json=self.as_json)
        story.healing = record.id
        if story.out:
            from popheal.cli.render.lines import labelled

            begun = f"{record.id}, begun {moment(record.begun_at)}"
            between = labelled(story.out, "", "") if self.statuses else []
            story.heading = [
                *between,
                *labelled(story.out, "Resumed", begun),
                *story.heading,
            ]
        with watched(story, self.backend), interruptible(story, self.options):
            return api.resume(
                record.id,
                self.backend,
                journal=self.journal,
                policy=self.policy,
                observers=[story, *self.notifiers],
                control=self.control,
                approver=approver_here(self.policy, journal=True),
                second_opinion=self.second_opinion,
            )

    def all(self) -> list[Report]:
        """Go on with every healing whose process has died, the oldest first."""
        reports: list[Report] = []
        for record in self.journal.healings(unfinished=True):
            if self.control.cancelled:
                self._skip(record, _STOPPED)
            elif record.alive:
                self._skip(record, f"it is being carried out by {record.owner}")
            else:
                self._one_of_many(record, reports)
        return reports

    def _one_of_many(self, record: HealingRecord, reports: list[Report]) -> None:
        try:
            report = self.one(record)
        except JournalError:
            raise  # which concerns all the others too
        except AlreadyRunning as error:
            self._skip(record, f"it is being carried out by {error.owner}")
        except AlreadyEnded:
            return  # another process was faster
        except DEFECTS as error:
            self._skip(record, describe_defect(error), DEFECT)
        except PophealError as error:
            self._skip(record, str(error), NEEDED)
        else:
            reports.append(report)
            self.statuses.append(status_of(report))
            if not self.as_json:
                show_report(report, as_json=False)

    def _skip(self, record: HealingRecord, why: str, status: int = 0) -> None:
        self.skipped.append({"run": record.id, "server": record.server, "why": why})
        self.statuses.append(status)
        console.say(f"Healing {record.id} on {record.server} is left alone: {why.rstrip('.')}.")


@click.command(short_help="Go on with what was interrupted.")
@click.argument("healing", required=False, shell_complete=completion.unfinished_healings)
@config_option
@journal_option
@yes_option
@json_option
def resume(
    healing: str | None, config: Path, journal: Path | None, yes: bool, as_json: bool
) -> int:
    """Go on with HEALING, or with every one whose process has died, one after another.

    HEALING is what popheal healings lists, or its beginning. Before anything is repeated, it is
    looked whether it was done. What is allowed from now on is what the policy in FILE says.

    \b
      popheal resume --config popheal.toml
      popheal resume 3f2a --config popheal.toml --json

    Those at which a living process is at work are left to it. Ctrl-C stops it as with popheal
    heal. The exit status is the verdict's; of several, the first of 1, 4, 3 and 0.
    """
    from popheal.backends.psrp import PsrpBackend
    from popheal.config.load import load_config

    told = load_config(config)
    control = Control()
    with (
        open_journal(journal_path(journal or told.journal, config)) as opened,
        obeying(control),
        PsrpBackend(told.settings) as backend,
    ):
        resuming = _Resuming(
            journal=opened,
            backend=backend,
            policy=decided(told.policy, yes=yes),
            second_opinion=told.second_opinion,
            notifiers=notifiers(told),
            options=options_again(config, journal),
            as_json=as_json,
            control=control,
        )
        if healing is not None:
            report = resuming.one(_unfinished(opened, healing))
            show_report(report, as_json=as_json)
            return status_of(report)
        reports = resuming.all()
    if as_json:
        skipped = {"skipped": resuming.skipped} if resuming.skipped else {}
        console.answer_json({"resumed": [one.to_json() for one in reports], **skipped})
    elif not reports and not resuming.skipped:
        console.answer_lines(["There is nothing to resume."])
    return worst(resuming.statuses)


def _unfinished(journal: Journal, healing: str) -> HealingRecord:
    """The healing that HEALING means. Raises AlreadyEnded."""
    record = find(journal, healing)
    record.require_unfinished()
    return record


@click.command(short_help="Stop a healing from elsewhere.")
@click.argument("healing", shell_complete=completion.unfinished_healings)
@journal_options
@json_option
def cancel(healing: str, journal: Path | None, config: Path | None, as_json: bool) -> int:
    """Stop HEALING: the process that carries it out only puts things back from its next step on.

    HEALING is what popheal healings lists, or its beginning. If its process has died, nothing
    happens until popheal resume HEALING, which then only puts things back.

    \b
      popheal cancel 3f2a --config popheal.toml
      popheal cancel 3f2a --journal journal.db --json
    """
    from popheal.cli.render.replay import next_step
    from popheal.journal.status import INTERRUPTED, standing_of

    path = journal_path(journal, config)
    with open_journal(path) as opened:
        record = opened.cancel(_unfinished(opened, healing).id, at=datetime.now(UTC))
        now = standing_of(opened, record)
    step = " ".join(next_step(now, path, options_again(config, journal))).strip()
    if as_json:
        console.answer_json({**now.to_json(), "next_step": step})
        return 0
    dead = "It was interrupted, so nobody is at work on it. " if now.state == INTERRUPTED else ""
    text = f"Healing {record.id} on {record.server} is marked to be stopped. {dead}{step}"
    console.answer_lines([one_line(text)])
    return 0
