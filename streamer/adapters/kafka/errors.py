"""Translates the errors of kafka-python into the port's: away, not allowed, or interrupted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

from kafka.errors import (
    AuthorizationError,
    ClusterAuthorizationFailedError,
    CommitFailedError,
    FencedInstanceIdError,
    GroupAuthorizationFailedError,
    IllegalGenerationError,
    InvalidProducerEpochError,
    KafkaError,
    ProducerFencedError,
    RebalanceInProgressError,
    SaslAuthenticationFailedError,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailedError,
    UnknownMemberIdError,
    UnsupportedSaslMechanismError,
)

from streamer.adapters.kafka.connections import recent_failures
from streamer.ports.log import (
    Interrupted,
    LogNotAllowed,
    LogUnavailable,
    MembershipLost,
    NameTaken,
    TransactionNotAllowed,
)

NO_ANSWER: Final = (KafkaError, OSError, AssertionError)

_OBJECTS: Final = (
    (TopicAuthorizationFailedError, "a topic"),
    (GroupAuthorizationFailedError, "the consumer group"),
    (TransactionalIdAuthorizationFailedError, "the transactional id"),
    (ClusterAuthorizationFailedError, "the cluster, to create topics for one"),
)


@contextlib.contextmanager
def kafka_errors() -> Iterator[None]:
    """Turns every error of a kafka-python client into one of the port's.

    Raises:
        LogNotAllowed: a user, a password or a right is missing.
        LogUnavailable: any other error.
    """
    began = time.monotonic()
    try:
        yield
    except NO_ANSWER as error:
        raise translated(error, began) from error


def close_quietly(client: Any, **options: Any) -> None:
    """Closes a client of kafka-python, if there is one; no broker needs to answer for it.

    Args:
        client: a consumer, a producer, or ``None``.
        options: of its ``close``.
    """
    if client is not None:
        with contextlib.suppress(*NO_ANSWER):
            client.close(**options)


def refuse_hidden(topic: Mapping[str, Any]) -> None:
    """Raises if a broker hides a described topic from this user; a missing one is none of these.

    Raises:
        TopicAuthorizationFailedError: the user may not describe it.
    """
    if topic.get("error_code") == TopicAuthorizationFailedError.errno:
        raise TopicAuthorizationFailedError(str(topic.get("name")))


def translated(error: BaseException, began: float) -> LogUnavailable:
    """The port's error for one of kafka-python, with the causes of failed connections.

    Args:
        error: of kafka-python.
        began: seconds of the monotonic clock when the call began.
    """
    name, detail = type(error).__name__, str(error)
    if not detail.startswith(name):
        detail = f"{name}: {detail}" if detail else name
    if isinstance(error, AuthorizationError):
        on = next((words for kind, words in _OBJECTS if isinstance(error, kind)), "something")
        return LogNotAllowed(
            f"Kafka does not allow this user to use {on} ({detail}). Grant the rights of "
            "deploy/acl/kafka.sh"
        )
    failures = recent_failures(began)
    causes = "; ".join(map(str, failures))
    if isinstance(error, SaslAuthenticationFailedError | UnsupportedSaslMechanismError) or (
        failures and all(failure.refuses_access for failure in failures)
    ):
        return LogNotAllowed(f"Kafka refuses the connection: {causes or detail}")
    return LogUnavailable(f"Kafka: {causes} ({detail})" if causes else f"Kafka: {detail}")


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


def interruption(error: BaseException, began: float) -> Interrupted:
    """Returns what the end of a transaction means, in the words of all its causes.

    Args:
        error: of kafka-python, which wraps the broker's answer in errors of its own.
        began: seconds of the monotonic clock when the transaction began.
    """
    unavailable = translated(error, began)
    if isinstance(unavailable, LogNotAllowed):
        return TransactionNotAllowed(str(unavailable))
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None:
        causes.append(cause)
    words = " <- ".join(f"{type(cause).__name__}: {cause}" for cause in causes)
    if any(isinstance(cause, _MOVED_ON) for cause in causes):
        return MembershipLost(words)
    if any(isinstance(cause, _FENCED) for cause in causes):
        is_taken = time.monotonic() - began < _TOO_SHORT_TO_BE_GIVEN_UP_S
        return NameTaken(words) if is_taken else Interrupted(words)
    return Interrupted(words)
