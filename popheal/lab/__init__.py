"""An Exchange organisation on loopback, served over WS-Management and PowerShell remoting.

For rehearsals and tests: the PSRP backend and its client library are exercised for real. Needs
the extra ``popheal[lab]``.
"""

from popheal.lab.clock import LabClock
from popheal.lab.faults import Wire, WireFault
from popheal.lab.lab import Lab

__all__ = ["Lab", "LabClock", "Wire", "WireFault"]
