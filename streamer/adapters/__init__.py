"""Adapters of the ports: Kafka and Redis, each beside an in-memory twin."""
