"""What a shell may complete: names that the library knows, looked up when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click
from click.shell_completion import CompletionItem

from popheal.util.text import one_line

#: Names that begin so; for ``shell_complete`` of an argument or option.
Completer = Callable[[click.Context, click.Parameter, str], list[str]]
#: Likewise, each with a word about it, which zsh and fish show.
ItemCompleter = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]
#: How many healings are offered: the latest.
_NEWEST: Final = 50


def _completing(names: Callable[[], Iterable[str]]) -> Completer:
    def complete(_context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
        return [one for one in names() if one.casefold().startswith(begun.casefold())]

    return complete


def _procedures() -> Sequence[str]:
    from popheal.healthsets.pop import PROCEDURES

    return tuple(PROCEDURES)


def _scenarios() -> Sequence[str]:
    from popheal.backends.simulated import scenario_names

    return scenario_names()


def _monitors() -> Sequence[str]:
    from popheal.healthsets.pop.catalog import MONITORS

    return [one.name for one in MONITORS]


def _health_sets() -> Sequence[str]:
    from popheal.healthsets.pop.catalog import HEALTH_SETS

    return HEALTH_SETS


def _argument(context: click.Context, name: str) -> str | None:
    """What was given for the only argument."""
    # An option that lacks its value keeps click from telling arguments from the rest.
    rest = (one for one in context.args if not one.startswith("-"))
    return context.params.get(name) or next(rest, None)


def faults(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Every fault that the scenario's servers can have, by its name."""
    from popheal.backends.simulated import DEFAULT_SCENARIO, load_scenario
    from popheal.backends.simulated.named_faults import names_for
    from popheal.errors import PophealError

    scenario = _argument(context, "scenario") or DEFAULT_SCENARIO
    try:
        played = load_scenario(scenario)
    except PophealError:
        return []
    with played.organisation.present() as world:
        names = names_for(world.servers)
    return [one for one in names if one.casefold().startswith(begun.casefold())]


def _journal(context: click.Context) -> Path | None:
    """The journal that the command line, or the environment, leads to."""
    from popheal.config.load import load_journal_path

    journal, config = context.params.get("journal"), context.params.get("config")
    return journal or (load_journal_path(config) if config else None)


def _healings(context: click.Context, *, unfinished: bool) -> Iterator[CompletionItem]:
    from popheal.journal import Journal
    from popheal.journal.status import standing_of

    path = _journal(context)
    if path is None:
        return
    with Journal(path, read_only=True) as opened:
        for one in reversed(opened.healings(unfinished=unfinished, newest=_NEWEST)):
            stands = one.verdict or standing_of(opened, one).state
            about = f"{one.server}, {one.begun_at:%Y-%m-%d %H:%M}: {stands.replace('_', ' ')}"
            yield CompletionItem(one.id, help=one_line(about))


def _plans(context: click.Context) -> Iterator[CompletionItem]:
    from popheal.journal import Journal
    from popheal.journal.status import standing_of

    path, healing = _journal(context), _argument(context, "healing")
    if path is None or healing is None:
        return
    with Journal(path, read_only=True) as opened:
        question = standing_of(opened, opened.healing(healing)).question
    if question:
        yield CompletionItem(question.plan, help=f"asked by run {question.run_id}")


def _of_journal(found: Callable[[click.Context], Iterable[CompletionItem]]) -> ItemCompleter:
    """What a journal has; nothing where there is none, as a completion is no place to complain."""
    from popheal.errors import PophealError

    def complete(
        context: click.Context, _parameter: click.Parameter, begun: str
    ) -> list[CompletionItem]:
        try:
            return [one for one in found(context) if one.value.startswith(begun)]
        except PophealError:
            return []

    return complete


healings = _of_journal(partial(_healings, unfinished=False))
unfinished_healings = _of_journal(partial(_healings, unfinished=True))
plans = _of_journal(_plans)
procedures = _completing(_procedures)
scenarios = _completing(_scenarios)
monitors = _completing(_monitors)
health_sets = _completing(_health_sets)
