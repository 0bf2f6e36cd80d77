"""Backends: what carries out popheal's looks and effects.

:mod:`popheal.backends.simulated` acts on an organisation in memory, and
:mod:`popheal.backends.psrp` on real servers over PowerShell remoting. Importing this package
imports neither.
"""
