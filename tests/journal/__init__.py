"""Journals of other versions."""
