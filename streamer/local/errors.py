"""What can go wrong when Kafka and Redis are started on this machine."""


class LocalStackError(Exception):
    """Local Kafka or Redis cannot be started; the message says what to do about it."""
