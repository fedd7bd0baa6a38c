"""In-memory twins of the Kafka and Redis adapters: the same promises, one process."""
