"""A Kafka with TLS, passwords, tokens and access rules, and with addresses that are wrong."""

from __future__ import annotations

import base64
import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from streamer.local.kafka import KafkaServer
from streamer.local.ports import LOOPBACK, choose_other_than
from tests.support.certificates import Authority

USERS: Final = ("streamer", "sender", "viewer", "replayer", "canary", "archiver")
_HANDLER: Final = (
    "org.apache.kafka.common.security.oauthbearer.internals.unsecured."
    "OAuthBearerUnsecuredValidatorCallbackHandler"
)


class SecureKafka(KafkaServer):
    """Listens in plain text for administrators, and four times more.

    Attributes:
        sasl: address of the listener with passwords and tokens, over TLS.
        mutual: address of the one that asks for a client certificate.
        unknown: address of one that sends its clients on to a name that cannot be resolved.
        misnamed: address of one whose certificate is for another name.
        authority: signed the certificate of all but the last.
    """

    def __init__(self, folder: Path, authority: Authority) -> None:
        taken: set[int] = set()
        for _ in range(5):
            taken.add(choose_other_than(taken, "Kafka"))
        port, *others = taken
        super().__init__(folder, port)
        self._ports = dict(zip(("SASL", "MUTUAL", "UNKNOWN", "MISNAMED"), others, strict=True))
        self.authority = authority
        addresses = {name: f"{LOOPBACK}:{port}" for name, port in self._ports.items()}
        self.sasl, self.mutual = addresses["SASL"], addresses["MUTUAL"]
        self.unknown, self.misnamed = addresses["UNKNOWN"], addresses["MISNAMED"]

    @property
    def denials(self) -> list[str]:
        """Lines of the log in which something is denied."""
        log = (self.folder / "kafka.log").read_text()
        return [line for line in log.splitlines() if "Denied" in line]

    def _settings(self, quorum: object) -> str:
        lines = super()._settings(quorum).splitlines()  # type: ignore[arg-type]
        base = dict(line.split("=", 1) for line in lines if line and line[0] != "#")
        own = "".join(f",{name}://{LOOPBACK}:{port}" for name, port in self._ports.items())
        unreachable = own.replace(f"UNKNOWN://{LOOPBACK}", "UNKNOWN://no-such-broker.invalid")
        users = " ".join(f'user_{user}="{user}-s3cret"' for user in USERS)
        modules = "org.apache.kafka.common.security"
        served = self.authority.issue("kafka", hosts=("localhost", LOOPBACK)).both
        misnamed = self.authority.issue("misnamed", hosts=("elsewhere.example",)).both
        settings = base | {
            "listeners": base["listeners"].replace(",CONTROLLER", f"{own},CONTROLLER"),
            "advertised.listeners": base["advertised.listeners"] + unreachable,
            "listener.security.protocol.map": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT,"
            "SASL:SASL_SSL,MUTUAL:SSL,UNKNOWN:PLAINTEXT,MISNAMED:SSL",
            "ssl.keystore.type": "PEM",
            "ssl.keystore.location": str(served),
            "ssl.truststore.type": "PEM",
            "ssl.truststore.location": str(self.authority.ca),
            "listener.name.misnamed.ssl.keystore.location": str(misnamed),
            "listener.name.misnamed.ssl.keystore.type": "PEM",
            "listener.name.mutual.ssl.client.auth": "required",
            "sasl.enabled.mechanisms": "PLAIN,OAUTHBEARER",
            "listener.name.sasl.plain.sasl.jaas.config": f"{modules}.plain.PlainLoginModule "
            f"required {users};",
            "listener.name.sasl.oauthbearer.sasl.jaas.config": f"{modules}.oauthbearer."
            'OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";',
            "listener.name.sasl.oauthbearer.sasl.server.callback.handler.class": _HANDLER,
            "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
            "super.users": "User:ANONYMOUS",
        }
        return "".join(f"{name}={value}\n" for name, value in settings.items())

    def _prepare(self) -> list[str]:
        command = super()._prepare()
        logging = self.folder / "log4j2.xml"
        denials = '<Logger name="kafka.authorizer.logger" level="INFO"/>'
        logging.write_text(logging.read_text().replace("<Root ", f"{denials}<Root "))
        return command


def token_of(user: str) -> str:
    """A token without a signature, which this Kafka takes."""
    now = int(time.time())
    parts = ({"alg": "none"}, {"sub": user, "iat": now, "exp": now + 3600})
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()) for part in parts)
    return ".".join(part.decode().rstrip("=") for part in encoded) + "."


@contextmanager
def secure_kafka(authority: Authority) -> Iterator[SecureKafka]:
    with tempfile.TemporaryDirectory(prefix="vigil-kafka-") as folder:
        server = SecureKafka(Path(folder), authority)
        with contextlib.ExitStack() as running:
            running.callback(server.stop)
            server.start()
            yield server
