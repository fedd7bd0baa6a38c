"""What keeps Kafka from answering, as the one error that may be tried again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from kafka.errors import KafkaError

from streamer.ports.log import LogUnavailable

NO_ANSWER: Final = (KafkaError, OSError, AssertionError)


@contextlib.contextmanager
def kafka_errors() -> Iterator[None]:
    """Turns whatever a client of kafka-python raises into ``LogUnavailable``."""
    try:
        yield
    except NO_ANSWER as error:
        raise LogUnavailable(f"Kafka: {type(error).__name__}: {error}") from error
