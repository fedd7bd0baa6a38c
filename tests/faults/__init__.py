"""The failure matrix: what may break, broken on the real Kafka and Redis, and judged."""
