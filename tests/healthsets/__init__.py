"""Tests of the health sets."""
