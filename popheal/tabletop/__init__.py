"""Every fault on every server of an organisation, rehearsed: what would popheal do?"""

from popheal.tabletop.exercise import Move, Tabletop, Trial, rehearse_every_fault

__all__ = ["Move", "Tabletop", "Trial", "rehearse_every_fault"]
