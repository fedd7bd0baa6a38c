"""Rights on real servers as the shipped scripts grant them, and programs of users who have them."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

from kafka import KafkaAdminClient
from kafka.admin import (
    ACL,
    ACLFilter,
    ACLOperation,
    ACLPermissionType,
    ACLResourcePatternType,
    ResourcePattern,
    ResourcePatternFilter,
    ResourceType,
)

from streamer.local import LocalStack
from streamer.service.health import ReasonJson
from tests.support.paths import ROOT
from tests.support.secure_kafka import SecureKafka


def grant_in_kafka(kafka: SecureKafka, folder: Path, variables: Mapping[str, str]) -> None:
    """Makes the rules of the shipped script."""
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=kafka.address)) as admin:
        admin.create_acls(shipped_rules(folder, kafka.address, variables))


def shipped_rules(folder: Path, address: str, variables: Mapping[str, str]) -> list[ACL]:
    """Runs the shipped script; Kafka's own tool, which takes a second a call, is played."""
    calls = folder / "calls"
    tool = folder / "kafka-acls.sh"
    tool.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        f"open({str(calls)!r}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')\n"
    )
    tool.chmod(0o755)
    subprocess.run(
        [ROOT / "deploy/acl/kafka.sh", "--bootstrap-server", address],
        env={"PATH": f"{folder}:{os.environ['PATH']}", **variables}, check=True,
    )  # fmt: skip
    return [rule for call in calls.read_text().splitlines() for rule in rules_of(json.loads(call))]


def rules_of(arguments: list[str]) -> list[ACL]:
    """The rules that `kafka-acls.sh` makes of its arguments."""
    assert arguments[:2] == ["--bootstrap-server", arguments[1]]
    assert arguments[2] == "--add"
    options: dict[str, list[str]] = {}
    for name, value in zip(arguments[3::2], arguments[4::2], strict=True):
        options.setdefault(name, []).append(value)
    pattern = options.pop("--resource-pattern-type", ["literal"])[0].upper()
    (principal,) = options.pop("--allow-principal")
    operations = options.pop("--operation")
    kinds = {
        "--topic": ResourceType.TOPIC,
        "--group": ResourceType.GROUP,
        "--transactional-id": ResourceType.TRANSACTIONAL_ID,
    }
    return [
        ACL(
            principal=principal,
            host="*",
            operation=ACLOperation[re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation).upper()],
            permission_type=ACLPermissionType.ALLOW,
            resource_pattern=ResourcePattern(kinds[kind], name, ACLResourcePatternType[pattern]),
        )
        for kind, names in options.items()
        for name in names
        for operation in operations
    ]


def rules_in_force(kafka: SecureKafka) -> list[ACL]:
    anything = ACLFilter(
        principal=None, host="*", operation=ACLOperation.ANY,
        permission_type=ACLPermissionType.ANY,
        resource_pattern=ResourcePatternFilter(
            ResourceType.ANY, None, ACLResourcePatternType.ANY
        ),
    )  # fmt: skip
    with contextlib.closing(KafkaAdminClient(bootstrap_servers=kafka.address)) as admin:
        rules: list[ACL] = admin.describe_acls(anything)[0]
    return rules


def make_redis_users(stack: LocalStack, folder: Path, variables: Mapping[str, str]) -> None:
    files = {}
    for user in ("streamer", "trainer", "viewer", "canary"):
        file = folder / f"{user}.password"
        file.write_text(f"{user}-s3cret\n")
        files[f"ACL_{user.upper()}_PASSWORD_FILE"] = str(file)
    address = urlsplit(stack.redis_admin)
    subprocess.run(
        [ROOT / "deploy/acl/redis.sh", "-h", "127.0.0.1", "-p", str(address.port),
         "--user", str(address.username)],
        env={"PATH": os.environ["PATH"], "REDISCLI_AUTH": str(address.password),
             **files, **variables},
        check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


class Users:
    """The environment of each user's programs."""

    def __init__(self, kafka: SecureKafka, stack: LocalStack, names: Mapping[str, str]) -> None:
        self._kafka = kafka
        self._redis_port = urlsplit(stack.redis).port
        self._names = names

    def __call__(self, user: str, **settings: str) -> dict[str, str]:
        redis = user if user in {"streamer", "viewer", "trainer", "canary"} else "streamer"
        return dict(self._names) | {
            "KAFKA_BOOTSTRAP_SERVERS": self._kafka.sasl,
            "REDIS_URL": f"redis://{redis}:{redis}-s3cret@127.0.0.1:{self._redis_port}/0",
            "STREAMER_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "STREAMER_KAFKA_SSL_CAFILE": str(self._kafka.authority.ca),
            "STREAMER_KAFKA_SASL_MECHANISM": "PLAIN",
            "STREAMER_KAFKA_SASL_USERNAME": user,
            "STREAMER_KAFKA_SASL_PASSWORD": f"{user}-s3cret",
            **settings,
        }  # fmt: skip


def command(
    environment: Mapping[str, str], *arguments: str, program: str = "streamer"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", program, *arguments],
        env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def reasons(port: int) -> list[ReasonJson] | None:
    """The reasons of `/readyz`; ``None`` while nothing answers."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        with contextlib.closing(connection):
            connection.request("GET", "/readyz")
            answer: list[ReasonJson] = json.loads(connection.getresponse().read())["reasons"]
            return answer
    except OSError:
        return None


def metric(port: int, name: str) -> float:
    """A metric without labels, as it is served."""
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    (value,) = (line.split()[1] for line in lines if line.startswith(f"{name} "))
    return float(value)
