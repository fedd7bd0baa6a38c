"""The failure matrix: everything that may break, broken on the real Kafka and Redis, and judged."""
