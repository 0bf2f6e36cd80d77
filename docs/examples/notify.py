"""Sends the handover to whoever is on call, through apprise: pip install '.[notify]'

The organisation is simulated, so the commands in the message mean nothing real. Without an
address it sends nothing. Try it with one that apprise understands, for example:

    NOTIFY_URL='mailto://user:password@example.com' python docs/examples/notify.py
"""

import logging
import os

import popheal
from popheal.backends.simulated import load_scenario
from popheal.notify import Notifier

# A notification that fails is logged, and changes nothing else.
handler = logging.StreamHandler()
handler.setFormatter(logging.Formatter("%(message)s: %(error)s", defaults={"error": ""}))
logging.getLogger("popheal").addHandler(handler)

# Not an argument: others on this machine could read it in the list of processes.
url = os.environ.get("NOTIFY_URL")
observers = [Notifier([url])] if url else []

scenario = load_scenario("fault-survives-the-reboot")
alert = popheal.Alert(server=scenario.server)
report = popheal.heal(alert, scenario.backend, observers=observers)

print(report.to_markdown())
