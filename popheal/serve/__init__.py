"""Alerts in, answers out, over HTTP: the extra ``popheal[serve]``."""
