"""Translates the errors of kafka-python into those of the port."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

from kafka.errors import (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    InvalidProducerEpochError,
    KafkaError,
    ProducerFencedError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)

from streamer.ports.log import Interrupted, LogUnavailable, MembershipLost, NameTaken

NO_ANSWER: Final = (KafkaError, OSError, AssertionError)


@contextlib.contextmanager
def kafka_errors() -> Iterator[None]:
    """Turns every error of a kafka-python client into ``LogUnavailable``."""
    try:
        yield
    except NO_ANSWER as error:
        raise LogUnavailable(f"Kafka: {type(error).__name__}: {error}") from error


_MOVED_ON: Final = (
    CommitFailedError,
    FencedInstanceIdError,
    IllegalGenerationError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
_FENCED: Final = (InvalidProducerEpochError, ProducerFencedError)
# A coordinator that gives a transaction up, after 15 s, fences its producer in the same way.
_TOO_SHORT_TO_BE_GIVEN_UP_S: Final = 10.0


def interruption(error: BaseException, lasted_s: float) -> Interrupted:
    """Returns what the end of a transaction means, in the words of its first cause.

    Args:
        error: of kafka-python, which wraps the broker's answer in errors of its own.
        lasted_s: seconds since the transaction began.
    """
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    words = " <- ".join(f"{type(cause).__name__}: {cause}" for cause in causes)
    if any(isinstance(cause, _MOVED_ON) for cause in causes):
        return MembershipLost(words)
    if any(isinstance(cause, _FENCED) for cause in causes):
        is_taken = lasted_s < _TOO_SHORT_TO_BE_GIVEN_UP_S
        return NameTaken(words) if is_taken else Interrupted(words)
    return Interrupted(words)
