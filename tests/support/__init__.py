"""Backends, services, streams and synthetic data that several tests share."""
