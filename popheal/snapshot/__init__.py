"""An organisation of one's own as a scenario of the simulator, to rehearse on."""

from popheal.snapshot.snapshot import Snapshot, atake_snapshot, take_snapshot

__all__ = ["Snapshot", "atake_snapshot", "take_snapshot"]
