from __future__ import annotations

import pytest
from kafka.errors import (
    IllegalSaslStateError,
    SaslAuthenticationFailedError,
    UnsupportedSaslMechanismError,
)

from streamer.adapters.kafka.connections import EndedDuringAuthentication, Failure

PROTOCOL = "STREAMER_KAFKA_SECURITY_PROTOCOL"


def failure(error: Exception, protocol: str = "SSL", *, is_bootstrap: bool = True) -> Failure:
    return Failure("kafka-1", 9093, is_bootstrap, protocol, error, 0.0)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError("DNS failure"), "the name kafka-1 cannot be resolved"),
        (OSError("ECONNREFUSED"), "nothing listens on this port"),
        (OSError("[SSL: WRONG_VERSION_NUMBER]"), "does not speak TLS on this port"),
        (OSError("connection reset"), "another protocol than SSL; see STREAMER_KAFKA_SECURITY"),
        (ValueError(), "ValueError"),
        (SaslAuthenticationFailedError("x"), "refuses user, password or token"),
        (UnsupportedSaslMechanismError("x"), "does not offer this mechanism"),
        (EndedDuringAuthentication("disconnected"), "while they are checked"),
    ],
)
def test_a_failure_says_its_cause_in_plain_words(error: Exception, words: str) -> None:
    text = str(failure(error))
    assert text.startswith("kafka-1:9093 (from KAFKA_BOOTSTRAP_SERVERS): ")
    assert words in text


@pytest.mark.parametrize(
    ("protocol", "other"), [("SASL_PLAINTEXT", "PLAINTEXT"), ("SASL_SSL", "SSL")]
)
def test_a_port_without_passwords_names_the_protocol_that_it_takes(
    protocol: str, other: str
) -> None:
    text = str(failure(IllegalSaslStateError(), protocol))
    assert f"asks for no password on this port: set {PROTOCOL} to {other} (" in text


def test_an_address_that_a_broker_gave_is_the_brokers_setting() -> None:
    assert "advertised.listeners" in str(failure(OSError("DNS"), is_bootstrap=False))
    refused = failure(SaslAuthenticationFailedError("x"), is_bootstrap=False)
    assert "advertised.listeners" not in str(refused)
    assert refused.refuses_access


def test_with_sasl_the_mechanism_may_be_the_cause_of_an_end() -> None:
    text = str(failure(OSError("disconnected"), "SASL_SSL"))
    assert "or mechanism than SASL_SSL; see STREAMER_KAFKA_SASL_MECHANISM" in text
