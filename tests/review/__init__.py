"""Tests of healings looked back on."""
