"""The error of local servers that cannot be started."""


class LocalStackError(Exception):
    """Local Kafka or Redis cannot be started; the message names the way out."""
