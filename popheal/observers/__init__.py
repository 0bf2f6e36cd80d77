"""Observers for programs that watch numbers: metrics, traces, and a sign of life in a file.

Each is handed to whatever heals or watches, as ``observers=[...]``; none changes what is done.
"""
