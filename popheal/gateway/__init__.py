"""A fleet on Temporal behind a watch and behind HTTP: alerts go in, healings begin there.

Needs the extra ``temporal``. It is a client of the fleet and carries nothing out itself: if it is
killed, healings go on.
"""
