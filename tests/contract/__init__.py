"""Contracts of the ports: the same tests on the real and the in-memory adapter."""
