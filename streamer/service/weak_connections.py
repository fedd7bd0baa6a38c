"""Weak choices of a connection that leaves this machine: plain text, no password, no verification.

`streamer check` warns of them. With `STREAMER_REQUIRE_TLS` they are bad, and the service refuses.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from streamer.adapters.loopback import is_loopback
from streamer.service.settings import Settings

_PLAIN: Final = "everybody on the way reads and changes patients' data"
_ANYBODY: Final = "anybody who reaches it may read and write patients' data"


def weak_choices(settings: Settings) -> Iterator[str]:
    """Yields each weak choice with the way out; nothing where all stays on this machine."""
    yield from _of_kafka(settings)
    yield from _of_redis(settings)
    if settings.fault:
        yield "STREAMER_FAULT is set: the service will fail on purpose; unset it"


def exposed_port(settings: Settings) -> str | None:
    """Says that the HTTP port is served beyond this machine; ``None`` if it is not."""
    if not settings.http_port or is_loopback(settings.http_host):
        return None
    return (
        f"/metrics and /readyz are served at {settings.http_host}:{settings.http_port} without a "
        "password: let only the monitoring reach the port"
    )


def _of_kafka(settings: Settings) -> Iterator[str]:
    access = settings.kafka
    if access.on_loopback:
        return
    protocol = access.protocol
    if not protocol.endswith("SSL"):
        better = "SASL_SSL" if protocol.startswith("SASL") else "SSL or SASL_SSL"
        yield (
            f"Kafka: plain text to {access.brokers}: {_PLAIN}. Set "
            f"STREAMER_KAFKA_SECURITY_PROTOCOL to {better}"
        )
        if access.mechanism in {"PLAIN", "OAUTHBEARER"}:
            yield f"Kafka: {access.mechanism} in plain text shows the password or token itself"
    if not protocol.startswith("SASL") and not access.tls_files.certificate:
        yield (
            f"Kafka: neither password nor client certificate: {_ANYBODY}. Set "
            "STREAMER_KAFKA_SASL_MECHANISM, or STREAMER_KAFKA_SSL_CERTFILE"
        )


def _of_redis(settings: Settings) -> Iterator[str]:
    address = settings.redis_address
    if address.on_loopback:
        return
    if address.tls is None:
        yield f"Redis: plain text to {address.addresses}: {_PLAIN}. Use rediss in REDIS_URL"
    elif not address.verified:
        yield f"Redis: ssl_cert_reqs=none verifies no certificate: {_PLAIN}. Use ssl_ca_certs"
    elif not address.check_hostname:
        yield (
            "Redis: ssl_check_hostname=false takes the certificate of any server that the "
            "authority signed. Remove it"
        )
    if not address.password and not (address.tls and address.tls.certificate):
        yield f"Redis: REDIS_URL has no password: {_ANYBODY}. Give it a user (deploy/acl/redis.sh)"
