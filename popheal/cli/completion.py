"""What a shell may complete: names that the library knows, looked up when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import click

#: Names that begin so; for ``shell_complete`` of an argument or option.
Completer = Callable[[click.Context, click.Parameter, str], list[str]]


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


def faults(context: click.Context, _parameter: click.Parameter, begun: str) -> list[str]:
    """Every fault that the scenario's servers can have, by its name."""
    from popheal.backends.simulated import DEFAULT_SCENARIO, load_scenario
    from popheal.backends.simulated.named_faults import names_for
    from popheal.errors import PophealError

    # An option that lacks its value keeps click from telling arguments from the rest.
    rest = (one for one in context.args if not one.startswith("-"))
    scenario = context.params.get("scenario") or next(rest, DEFAULT_SCENARIO)
    try:
        played = load_scenario(scenario)
    except PophealError:
        return []
    with played.organisation.present() as world:
        names = names_for(world.servers)
    return [one for one in names if one.casefold().startswith(begun.casefold())]


procedures = _completing(_procedures)
scenarios = _completing(_scenarios)
monitors = _completing(_monitors)
health_sets = _completing(_health_sets)
