"""Whether a server has booted again since the healing began, or only its clock was set."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from popheal.engine.context import RunContext
from popheal.exchange.models import HostStatus

#: Whoever goes on with a healing after a crash may do so by another clock than who began it.
_CLOCKS_DIFFER: Final = timedelta(hours=1)


def only_its_clock_was_set(work: RunContext, host: HostStatus) -> bool:
    """Whether a server whose boot time has moved has been up for longer than the healing lasts.

    A boot time is the server's clock, less the time for which it has been up: where the clock is
    set, the boot time moves with it.
    """
    lasts: timedelta = work.session.clock.now() - work.session.case.started_at
    return host.local_time - host.boot_time > lasts + _CLOCKS_DIFFER
