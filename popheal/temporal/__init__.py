"""Healings on Temporal: many machines, one group at a time. A first step, and experimental.

One healing is one workflow, which drives the same coroutine as every other driver. What touches
Exchange is an activity of a worker near the servers; who may act on what is known to workflows
that live as long as the fleet, the custodians. Needs the extra ``temporal``; nothing else of
popheal imports it, but for ``popheal.gateway`` and the command line.
"""
