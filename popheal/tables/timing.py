"""The waits, deadlines and bounds of which the worst case of a procedure is made."""

from __future__ import annotations

from attrs import field, frozen

from popheal.util.calls import made_by_name
from popheal.util.numbers import seconds, whole


@made_by_name
@frozen(kw_only=True)
class Timing:
    """Waits, deadlines and bounds. Seconds, except the number of attempts.

    Each has a least, so that nothing is asked without a pause, and a most, so that nothing is
    waited for without end: the documentation's table shows both.

    Attributes:
        settle: The runbook's ten minutes (CommandTime 2 and 4).
        degraded_pause: A Degraded monitor turns Unhealthy, or not, within this time.
        probe_attempts: How often a look that could not tell is tried in all.
        probe_pause: Pause between such looks.
        service_deadline: How long a service may take to restart.
        service_poll: How often it is looked at meanwhile.
        drain_deadline: How long the databases may take to leave.
        drain_poll: How often the copies are looked at meanwhile.
        reboot_deadline: How long a server may take to come back with its services.
        reboot_poll: How often it is looked for meanwhile, at first; later four times as seldom.
        update_deadline: How long it may take instead where Windows had a restart pending: updates
            are configured on the way.
        reboot_settle: How long POP may take to be well after a restart of the server, from when the
            services it needs run; until then a probe that fails is repeated.
        command_timeout: How long one remote command may take; used by remote backends.
        approval_deadline: How long a person may take to approve.
        approval_poll: How often it is looked meanwhile whether somebody has.
        stop_poll: How often a pause looks whether somebody said stop.
    """

    settle: float = field(default=600.0, validator=seconds(0.001, 86_400))
    degraded_pause: float = field(default=60.0, validator=seconds(0.001, 3_600))
    probe_attempts: int = field(default=3, validator=whole(1, 100))
    probe_pause: float = field(default=30.0, validator=seconds(0.001, 3_600))
    service_deadline: float = field(default=300.0, validator=seconds(0.001, 86_400))
    service_poll: float = field(default=5.0, validator=seconds(0.001, 3_600))
    drain_deadline: float = field(default=1800.0, validator=seconds(0.001, 86_400))
    drain_poll: float = field(default=15.0, validator=seconds(0.001, 3_600))
    reboot_deadline: float = field(default=2700.0, validator=seconds(0.001, 86_400))
    reboot_poll: float = field(default=15.0, validator=seconds(0.001, 3_600))
    update_deadline: float = field(default=7200.0, validator=seconds(0.001, 86_400))
    reboot_settle: float = field(default=1200.0, validator=seconds(0.001, 86_400))
    command_timeout: float = field(default=300.0, validator=seconds(0.001, 86_400))
    approval_deadline: float = field(default=3600.0, validator=seconds(0.001, 2_592_000))
    approval_poll: float = field(default=5.0, validator=seconds(0.001, 3_600))
    stop_poll: float = field(default=5.0, validator=seconds(0.001, 60))
