"""Carrying a healing out. Private: use it through the names of :mod:`popheal`."""
