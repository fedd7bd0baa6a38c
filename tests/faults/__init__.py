"""The failure matrix: each fault on the real Kafka and Redis, checked against the oracle."""
