"""An Exchange organisation on loopback, served over WS-Management and PowerShell remoting.

For rehearsals and tests: the PSRP backend and its client library are exercised for real. Needs
the extra ``popheal[lab]``.
"""

from popheal.lab.lab import Lab
from popheal.lab.real_time import LabClock
from popheal.lab.replay import Replay
from popheal.lab.wire_faults import Wire, WireFault

__all__ = ["Lab", "LabClock", "Replay", "Wire", "WireFault"]
