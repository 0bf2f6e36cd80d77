"""Looks of several calls, shared by triage, actions and plans."""
