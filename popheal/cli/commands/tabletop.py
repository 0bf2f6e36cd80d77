"""What ``rehearse --every-fault`` does: every fault on every server, as a table."""

from __future__ import annotations

import sys
from pathlib import Path

from popheal.cli.render import console
from popheal.cli.render.now import progress
from popheal.policy.policy import Policy


def every_fault(scenario: str | None, policy: Policy, html: Path | None, *, as_json: bool) -> int:
    """Play them, and show what came of each; exit status 0, whatever that is.

    Raises:
        UnknownName: There is no such scenario.
        ConfigurationError: It can't be used, or the page can't be written.
    """
    from popheal.backends.simulated import DEFAULT_SCENARIO
    from popheal.tabletop import rehearse_every_fault

    console.expect_file(html, option="--html")
    with progress("a tabletop exercise") as told:
        played = rehearse_every_fault(
            DEFAULT_SCENARIO if scenario is None else scenario, policy=policy, progress=told
        )
    if html is not None:
        from popheal.tabletop.page import page_of

        console.answer_file(page_of(played), html, option="--html")
    if as_json:
        console.answer_json(played.to_json())
    elif html is None:
        from popheal.cli.render.tabletop import tabletop_lines

        out = console.console(sys.stdout)
        console.print_lines(out, tabletop_lines(out, played))
    else:
        size = f"{len(played.servers)} servers, {len(played.trials)} trials"
        console.answer_lines([f"{html}: {size}."])
    return 0
