"""Translates the errors of kafka-python into the port's ``LogUnavailable``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from kafka.errors import KafkaError

from streamer.ports.log import LogUnavailable

NO_ANSWER: Final = (KafkaError, OSError, AssertionError)


@contextlib.contextmanager
def kafka_errors() -> Iterator[None]:
    """Turns every error of a kafka-python client into ``LogUnavailable``."""
    try:
        yield
    except NO_ANSWER as error:
        raise LogUnavailable(f"Kafka: {type(error).__name__}: {error}") from error
