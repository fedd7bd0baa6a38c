"""Access to Kafka: brokers, protocol, certificates, credentials; judged before they are used."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from streamer.adapters import tls
from streamer.adapters.loopback import is_loopback
from streamer.adapters.tls import TlsFiles

_OAUTH: Final = "OAUTHBEARER"
_OF_TLS: Final = ("ssl_cafile", "ssl_certfile", "ssl_keyfile", "ssl_password")
_OF_OAUTH: Final = (
    "oauth_token_file", "oauth_url", "oauth_client_id", "oauth_client_secret", "oauth_scope",
)  # fmt: skip
_OF_PASSWORD: Final = ("sasl_username", "sasl_password")
_TLS_FIELDS: Final = {
    "ca": "ssl_cafile",
    "certificate": "ssl_certfile",
    "key": "ssl_keyfile",
    "password": "ssl_password",
}


@dataclass(frozen=True, slots=True)
class OauthAccess:
    """Where the token of OAUTHBEARER comes from: a file, or an endpoint.

    Attributes:
        token_file: file with a token that another program renews.
        url: endpoint that gives a token for client id and secret (RFC 6749, section 4.4).
        client_id: the client.
        client_secret: returns its secret.
        scope: what is asked for; empty: the endpoint's default.
    """

    token_file: str
    url: str
    client_id: str
    client_secret: Callable[[], str] = field(repr=False)
    scope: str


@dataclass(frozen=True, slots=True)
class KafkaAccess:
    """How to reach Kafka.

    Attributes:
        brokers: host:port, comma separated.
        protocol: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
        mechanism: of SASL.
        username: with PLAIN and SCRAM.
        password: returns it, at each connection.
        tls_files: authorities and the client's own certificate.
        key_password: returns the password of its private key.
        oauth: with OAUTHBEARER.
    """

    brokers: str
    protocol: str
    mechanism: str
    username: str
    password: Callable[[], str] = field(repr=False)
    tls_files: TlsFiles
    key_password: Callable[[], str] = field(repr=False)
    oauth: OauthAccess

    @property
    def hosts(self) -> list[str]:
        """The hosts of the brokers."""
        return [host for host, _ in parse_brokers(self.brokers)]

    @property
    def on_loopback(self) -> bool:
        """Whether nothing leaves this machine."""
        return all(map(is_loopback, self.hosts))

    def arguments(self) -> dict[str, Any]:
        """Arguments of each Kafka client."""
        arguments: dict[str, Any] = {
            "bootstrap_servers": self.brokers.split(","),
            "security_protocol": self.protocol,
        }
        if self.mechanism == _OAUTH:
            # the Kafka client is loaded here: commands that need none start without it
            from streamer.adapters.kafka.oauth import (  # noqa: PLC0415
                ClientCredentials,
                TokenFile,
            )

            arguments["sasl_mechanism"] = _OAUTH
            arguments["sasl_oauth_token_provider"] = (
                TokenFile(self.oauth.token_file)
                if self.oauth.token_file
                else ClientCredentials(
                    self.oauth.url,
                    self.oauth.client_id,
                    self.oauth.client_secret,
                    self.oauth.scope,
                    self.tls_files.ca,
                )
            )
        elif self.mechanism:
            arguments |= {
                "sasl_mechanism": self.mechanism,
                "sasl_plain_username": self.username,
                # Read at each connection: `connections.py`.
                "sasl_plain_password": self.password,
            }
        files = {
            "ssl_cafile": self.tls_files.ca,
            "ssl_certfile": self.tls_files.certificate,
            "ssl_keyfile": self.tls_files.key,
        }
        arguments |= {name: file for name, file in files.items() if file}
        if self.tls_files.certificate:
            arguments["ssl_password"] = self.key_password
        return arguments


def parse_brokers(text: str) -> list[tuple[str, int]]:
    """Reads brokers: host:port, comma separated.

    Raises:
        ValueError: one of them is none; the text names the way out, and holds no password.

    >>> parse_brokers("kafka-1:9092,[::1]:9093")
    [('kafka-1', 9092), ('::1', 9093)]
    """
    if "@" in text:
        raise ValueError("holds an @: user and password are settings of their own (…_SASL_…)")
    brokers = []
    for broker in text.split(","):
        if not broker.strip():
            raise ValueError("has an empty entry: write host:port, comma separated")
        if "://" in broker:
            raise ValueError(
                f"has a scheme: write {broker.partition('://')[2]!r}, and set the protocol by "
                "STREAMER_KAFKA_SECURITY_PROTOCOL"
            )
        address = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([\w.-]+)):([0-9]{1,5})", broker)
        if address is None or not 0 < int(address[3]) < 65_536:
            raise ValueError(f"has {broker!r}, which is no host:port")
        brokers.append((address[1] or address[2], int(address[3])))
    return brokers


def contradictions(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yields settings that do not go together: the field, and the fault with fields in braces.

    Args:
        settings: the settings that are not empty, by field without its prefix.
    """
    protocol = settings.get("security_protocol", "PLAINTEXT").upper()
    mechanism = settings.get("sasl_mechanism", "")
    for name in ("sasl_mechanism", *_OF_PASSWORD, *_OF_OAUTH):
        if name in settings and not protocol.startswith("SASL"):
            message = (
                f"is set and not used: {{security_protocol}} is {protocol}; set it to SASL_SSL"
            )
            yield name, message
    for name in _OF_TLS:
        if name in settings and not protocol.endswith("SSL"):
            instead = "SASL_SSL" if protocol.startswith("SASL") else "SSL or SASL_SSL"
            message = (
                f"is set, and all would go in plain text: {{security_protocol}} is {protocol}; set "
                f"it to {instead}"
            )
            yield name, message
    if protocol.startswith("SASL"):
        yield from _of_sasl(settings, mechanism)
    for name in ("ssl_keyfile", "ssl_password"):
        if name in settings and "ssl_certfile" not in settings:
            yield name, "is set without {ssl_certfile}"
    if protocol.endswith("SSL"):
        files = TlsFiles(
            *(settings.get(_TLS_FIELDS[name], "") for name in ("ca", "certificate", "key"))
        )
        password = (lambda: settings["ssl_password"]) if "ssl_password" in settings else None
        for name, message in tls.faults(files, password):
            yield _TLS_FIELDS[name], message


def in_variables(message: str, variable: Callable[[str], str]) -> str:
    """Puts the names of variables in place of fields in braces."""
    return re.sub(r"\{(\w+)\}", lambda field: variable(field[1]), message)


def _of_sasl(settings: Mapping[str, str], mechanism: str) -> Iterator[tuple[str, str]]:
    if not mechanism:
        yield "sasl_mechanism", "is missing: {security_protocol} is SASL_*"
    elif mechanism == _OAUTH:
        yield from _of_oauth(settings)
    else:
        for name in _OF_PASSWORD:
            if name not in settings:
                yield name, f"is missing: {{sasl_mechanism}} is {mechanism}"
        for name in _OF_OAUTH:
            if name in settings:
                yield name, f"is set and not used: {{sasl_mechanism}} is {mechanism}"


def _of_oauth(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    for name in _OF_PASSWORD:
        if name in settings:
            yield name, "is set and not used: {sasl_mechanism} is OAUTHBEARER"
    if "oauth_token_file" in settings:
        for name in _OF_OAUTH[1:]:
            if name in settings:
                yield name, "is set, and so is {oauth_token_file}: unset one of them"
        from streamer.adapters.kafka.oauth import TokenFile  # noqa: PLC0415 - as above

        try:
            TokenFile(settings["oauth_token_file"]).token()
        except OSError as error:
            yield (
                "oauth_token_file",
                f"{settings['oauth_token_file']!r} cannot be read: {error.strerror}",
            )
        except ValueError as error:
            yield "oauth_token_file", f"{settings['oauth_token_file']!r} {error}"
        return
    for name in ("oauth_url", "oauth_client_id", "oauth_client_secret"):
        if name not in settings:
            yield name, "is missing: OAUTHBEARER needs it, or {oauth_token_file}"
    if "oauth_url" in settings and (fault := _of_endpoint(settings["oauth_url"])):
        yield "oauth_url", fault


def _of_endpoint(url: str) -> str | None:
    try:
        endpoint = urlsplit(url)
        host, _ = endpoint.hostname, endpoint.port  # a port that is none raises as well
    except ValueError:
        return "is no https:// URL"
    safe = endpoint.scheme == "https" or is_loopback(host or "")
    if not (host and endpoint.scheme in {"http", "https"} and safe):
        return "is no https:// URL"
    if endpoint.username or endpoint.password:
        return "holds a password: use {oauth_client_id} and {oauth_client_secret}"
    return None
