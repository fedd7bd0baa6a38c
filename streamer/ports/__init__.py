"""Protocols for log, state store and model channel; each has a real and an in-memory adapter."""
