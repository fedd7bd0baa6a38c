"""Kafka behind the ports: the log, the transactional producer, topics, dead letters."""
