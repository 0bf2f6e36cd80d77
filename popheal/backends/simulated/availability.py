"""High availability: which server has a database active, and how that changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from attrs import define

from popheal.backends.simulated.history import (
    NATURE,
    CopyChanged,
    DatabaseMounted,
    DatabaseMoveCommanded,
    DatabaseMoved,
    DatabaseStayed,
    Outage,
    OutageEnded,
)
from popheal.backends.simulated.model import (
    REPLICATION,
    STORE,
    Copy,
    DagGroup,
    Database,
    Server,
)
from popheal.backends.simulated.world import World

#: Seconds a database takes to dismount, and to mount.
DISMOUNTING, MOUNTING = 3.0, 5.0
#: Seconds until the flag takes hold, between one database and the next, and between attempts.
MOVE_NOW_DELAY, MOVE_NOW_PACE, MOVE_NOW_RETRY = 3.0, 4.0, 120.0
#: Seconds until the others notice that a server is gone.
FAILOVER_DELAY, FAILOVER_RETRY = 15.0, 60.0
#: Seconds a former active copy needs to become a healthy passive one.
RESYNCHRONISING = 30.0
#: Seconds by which the ``ActiveCopy`` flag may lag behind.
FLAG_LAG = 5.0
#: Logs a passive copy may be behind and still be moved to without loss.
LONGEST_QUEUE = 10
REBALANCE_INTERVAL = 3600.0


@define
class Availability:
    """Active Manager, for all databases."""

    world: World

    def begin(self) -> None:
        for database in self.world.databases:
            if database.replicated and not database.active.up:
                self._fail_over_later(database, FAILOVER_DELAY)
        for dag in self.world.dags:
            dag.pam = dag.primary_active_manager or _first_up(dag)
            if dag.rebalances:
                self.world.after(REBALANCE_INTERVAL, partial(self._rebalance, dag))

    def status(self, database: Database, copy: Copy) -> str:
        """Say what ``Status`` a copy shows now."""
        now, server = self.world.now, copy.server
        if not server.runs(REPLICATION):
            return "ServiceDown"
        if database.active is server:
            return database.mount
        if copy.status != "Healthy":
            return copy.status
        if now < server.ready_at:
            return "Initializing"
        if copy.settles_at is not None and now < copy.settles_at:
            return "Resynchronizing"
        return "Healthy" if database.active.up else "DisconnectedAndHealthy"

    def flagged_active(self, database: Database, server: Server) -> bool:
        """Say what ``ActiveCopy`` shows, which comes from a cache."""
        if database.flag_expires is not None and self.world.now < database.flag_expires:
            return database.flagged is server
        return database.active is server

    def copy_queue(self, copy: Copy) -> int:
        """Say how many logs the copy is behind now."""
        return copy.copy_queue + int(copy.copy_queue_growth * (self.world.elapsed / 60))

    def replay_queue(self, copy: Copy) -> int:
        """Say how many logs wait to be replayed: a copy that lags holds back one a minute."""
        return max(copy.replay_queue, int(copy.replay_lag / 60))

    # --- who may take a database -----------------------------------------------------------------

    def refusal(self, database: Database, target: Server, *, in_need: bool = False) -> str:
        """Say why the target can't take the database; empty if it can.

        Args:
            database: The database.
            target: Where it would be activated.
            in_need: The database has no home now: a drained server is better than none.
        """
        copy = database.copy_on(target)
        if copy is None:
            return f"{target.name} has no copy of {database.name}"
        if not target.up or target.going_down or not target.runs(STORE):
            return f"{target.name} is down"
        if self.status(database, copy) not in ("Healthy", "DisconnectedAndHealthy"):
            return f"the copy on {target.name} is {self.status(database, copy)}"
        if copy.activation_suspended:
            return f"activation of the copy on {target.name} is suspended"
        if not in_need and self.copy_queue(copy) > LONGEST_QUEUE:
            return f"the copy on {target.name} is {self.copy_queue(copy)} logs behind"
        if not in_need and copy.replay_lag:
            return f"the copy on {target.name} lags"
        return self._policy_refusal(database, target, in_need=in_need)

    def _policy_refusal(self, database: Database, target: Server, *, in_need: bool) -> str:
        if target.auto_activation_policy == "Blocked":
            return f"DatabaseCopyAutoActivationPolicy of {target.name} is Blocked"
        elsewhere = target.site != database.active.site
        if target.auto_activation_policy == "IntrasiteOnly" and elsewhere:
            return f"{target.name} is in another site and takes databases of its own only"
        if target.activation_disabled and not in_need:
            return f"activation is disabled on {target.name}"
        if not target.component_active("HighAvailability") and not in_need:
            return f"HighAvailability is Inactive on {target.name}"
        limit = target.maximum_active_databases
        if limit is not None and len(self.world.active_on(target)) >= limit:
            return f"MaximumActiveDatabases of {target.name} is reached"
        return ""

    def _best(self, database: Database, *, in_need: bool = False) -> Server | None:
        """Return the most preferred server that can take the database from where it is."""
        others = (c.server for c in database.copies if c.server is not database.active)
        return next((s for s in others if not self.refusal(database, s, in_need=in_need)), None)

    # --- moves -----------------------------------------------------------------------------------

    def drain(self, server: Server, actor: str) -> None:
        """Begin to move everything off a server whose activation was disabled."""
        for number, database in enumerate(self.world.active_on(server)):
            if database.replicated:
                leave = partial(self._leave, database, server, actor, told=False)
                self.world.after(MOVE_NOW_DELAY + number * MOVE_NOW_PACE, leave)

    def _leave(self, database: Database, server: Server, actor: str, *, told: bool) -> None:
        if not (server.activation_disabled and server.up and database.active is server):
            return
        target = self._best(database)
        if target is not None and database.mount == "Mounted":
            self._move(database, target, actor, "move_now")
            return
        if not told and target is None:
            reasons = [
                self.refusal(database, c.server) for c in database.copies if c.server is not server
            ]
            self.world.record(
                DatabaseStayed, server, database=database.name, why="; ".join(reasons)
            )
        self.world.after(MOVE_NOW_RETRY, partial(self._leave, database, server, actor, told=True))

    def move(self, database: Database, target: Server, actor: str) -> None:
        """Carry out ``Move-ActiveMailboxDatabase``, or refuse it."""
        if database.active is target:
            return
        refusal = self.refusal(database, target) or self._not_movable(database)
        self.world.record(
            DatabaseMoveCommanded,
            target,
            actor,
            database=database.name,
            source=database.active.name,
            accepted=not refusal,
            refusal=refusal,
        )
        if refusal:
            raise self.world.failed(
                target,
                "Move-ActiveMailboxDatabase",
                f"An Active Manager operation failed for {database.name}: {refusal}",
            )
        self._move(database, target, actor, "move")

    def _not_movable(self, database: Database) -> str:
        if database.mount in ("Mounting", "Dismounting"):
            return "another operation on it is going on"
        dag = self.world.dag_of(database.active)
        if dag is None or database.moved_at is None:
            return ""
        if (self.world.now - database.moved_at).total_seconds() < dag.move_suppression:
            return "AmDbMoveMoveSuppressedBlackoutException: it was moved a short while ago"
        return ""

    def _move(self, database: Database, target: Server, actor: str, why: str) -> None:
        database.transition += 1
        before, database.mount = database.mount, "Dismounting"

        def dismounted() -> None:
            if self.refusal(database, target):
                # What was true when the move began has changed meanwhile: it stays.
                database.mount = before
                return
            self._activate(database, target, actor, why)

        self._unless_moved(database, DISMOUNTING, dismounted)

    def _activate(self, database: Database, target: Server, actor: str, why: str) -> None:
        now, source = self.world.now, database.active
        for copy in database.copies:
            if copy.server is source:
                copy.settles_at = now + timedelta(seconds=RESYNCHRONISING)
        database.flagged, database.flag_expires = source, now + timedelta(seconds=FLAG_LAG)
        database.active, database.moved_at = target, now
        self.world.record(
            DatabaseMoved, target, actor, database=database.name, source=source.name, why=why
        )
        self._mount(database)

    def _mount(self, database: Database) -> None:
        database.transition += 1
        database.mount = "Mounting"

        def mounted() -> None:
            database.mount = "Mounted"
            self.world.record(DatabaseMounted, database.active, database=database.name)
            self._serves_again(database)

        self._unless_moved(database, MOUNTING, mounted)

    def _unless_moved(self, database: Database, seconds: float, action: Callable[[], None]) -> None:
        """Plan a step of a database; void once something else came first."""
        transition = database.transition

        def only_then() -> None:
            if database.transition == transition:
                action()

        self.world.after(seconds, only_then)

    # --- servers come and go ---------------------------------------------------------------------

    def server_went_down(self, server: Server) -> None:
        dag = self.world.dag_of(server)
        self._break_seeding(server)
        for database in self.world.active_on(server):
            self._dismount(database)
            if not database.replicated:
                self._out(database)
            else:
                self._fail_over_later(database, FAILOVER_DELAY)
        if dag is None:
            return
        if dag.pam is server:
            self.world.after(FAILOVER_DELAY, lambda: self._elect(dag))
        if not dag.has_quorum():
            # Without a majority the cluster stops, and every database with it.
            for member in (m for m in dag.members if m.up):
                for database in self.world.active_on(member):
                    self._dismount(database)
                    self._out(database)

    def _break_seeding(self, server: Server) -> None:
        """What is being seeded from a copy on a server fails when that server goes down."""
        for database, source in self.world.copies_on(server):
            if source.status != "SeedingSource":
                continue
            source.status = "Healthy"
            for copy in (one for one in database.copies if one.status == "Seeding"):
                copy.status = "FailedAndSuspended"
                details = {"database": database.name, "status": copy.status}
                self.world.record(CopyChanged, copy.server, NATURE, **details)

    def server_is_ready(self, server: Server) -> None:
        """Mount what belongs to servers that are back, or whose cluster has a majority again."""
        dag = self.world.dag_of(server)
        if dag is not None:
            self._elect(dag)
        for database in self.world.databases:
            home = database.active
            waiting = database.mount == "Dismounted" and not database.recovery
            if waiting and home.runs(STORE) and self._has_quorum(database):
                self._mount(database)

    def _elect(self, dag: DagGroup) -> None:
        """A paused node does not become the primary active manager, but it may be it already."""
        if dag.pam is None or not dag.pam.up:
            dag.pam = _first_up(dag)

    def _has_quorum(self, database: Database) -> bool:
        dag = self.world.dag_of(database.active)
        return dag is None or dag.has_quorum()

    def _dismount(self, database: Database) -> None:
        database.transition += 1
        database.mount = "Dismounted"
        database.flag_expires = None

    def _fail_over_later(self, database: Database, seconds: float) -> None:
        def fail_over() -> None:
            if database.active.up:
                return
            target = None
            if self._has_quorum(database):
                target = self._best(database) or self._best(database, in_need=True)
            if target is not None:
                self._activate(database, target, NATURE, "failover")
                return
            self._out(database)
            self._fail_over_later(database, FAILOVER_RETRY)

        self._unless_moved(database, seconds, fail_over)

    def _out(self, database: Database) -> None:
        if database.out:
            return
        database.out = True
        self.world.record(
            Outage, database.active, database=database.name, replicated=database.replicated
        )

    def _serves_again(self, database: Database) -> None:
        if not database.out:
            return
        database.out = False
        self.world.record(OutageEnded, database.active, database=database.name)

    def _rebalance(self, dag: DagGroup) -> None:
        """Move databases to the server they prefer most, as newer versions do every hour."""
        self.world.after(REBALANCE_INTERVAL, lambda: self._rebalance(dag))
        movable = [d for m in dag.members for d in self.world.active_on(m) if d.mount == "Mounted"]
        for database in movable:
            better = [c.server for c in database.copies]
            better = better[: better.index(database.active)]
            target = next((s for s in better if not self.refusal(database, s)), None)
            if target is not None:
                self._move(database, target, NATURE, "rebalance")


def _first_up(dag: DagGroup) -> Server | None:
    return next((m for m in dag.members if m.up and m.cluster_node == "Up"), None)
