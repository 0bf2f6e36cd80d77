"""What an action does to the world."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Impact(Enum):
    """What an action does to the world."""

    LOOK = "look"  #: Nothing: it observes.
    RESTORE = "restore"  #: Puts something back as it was found.
    CHANGE = "change"  #: Changes something small: a service restart, a setting.
    DISRUPT = "disrupt"  #: Takes a server out of service: drain, reboot.

    @property
    def harmless(self) -> bool:
        """Whether it may follow "could not tell"."""
        return self in (Impact.LOOK, Impact.RESTORE)

    def goes_beyond(self, furthest: Impact) -> bool:
        """Whether it does more to the world than that. Looking and putting back never do."""
        return not self.harmless and _DRASTIC.index(self) > _DRASTIC.index(furthest)


#: From the least drastic to the most.
_DRASTIC: Final = (Impact.LOOK, Impact.RESTORE, Impact.CHANGE, Impact.DISRUPT)
