"""A real Apache Kafka on this machine: one node, broker and controller in one process (KRaft)."""

import base64
import socket
import struct
import subprocess
import uuid
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from streamer.local import ports
from streamer.local.errors import LocalStackError
from streamer.local.jars import kafka_jars
from streamer.local.java import find_java
from streamer.local.ports import LOOPBACK
from streamer.local.server import Server
from streamer.local.spawner import spawn

# A small heap, one thread for the collector and no optimising compiler: up in 2-3 s with 400 MB.
_JVM_OPTIONS = (
    "-Xmx400m",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Djava.io.tmpdir=.",  # native compression libraries are unpacked there
    "-Dlog4j2.configurationFile=log4j2.xml",
)

_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@{host}:{controller_port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=BROKER
listeners=BROKER://{host}:{port},CONTROLLER://{host}:{controller_port}
advertised.listeners=BROKER://{host}:{port}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=data

# A topic that is misspelt must be an error, not a new topic.
auto.create.topics.enable=false

# One node: groups and transactions must work with a single replica, and few partitions of their
# own topics start quicker.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
group.initial.rebalance.delay.ms=0

# A consumer that was killed must be missed within seconds in tests (the default refuses under 6 s).
group.min.session.timeout.ms=1000
# The transaction of a killed producer holds up committed readers until it is timed out: look often.
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000

# After a crash the broker is let in again only when its former life has timed out (9 s by default).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# The cleaner's default buffer alone is a third of the heap.
log.cleaner.dedupe.buffer.size=4194304
num.network.threads=2
num.io.threads=4
"""

_LOGGING = """\
<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="ERROR">
  <Appenders>
    <RollingFile name="file" fileName="kafka.log" filePattern="kafka.log.%i">
      <PatternLayout pattern="%d{ISO8601} %p %m (%c)%n"/>
      <SizeBasedTriggeringPolicy size="10 MB"/>
      <DefaultRolloverStrategy max="2"/>
    </RollingFile>
  </Appenders>
  <Loggers>
    <!-- says for each 50 ms of a restart that the broker's own port is not open yet -->
    <Logger name="org.apache.kafka.clients.NetworkClient" level="ERROR"/>
    <Root level="WARN"><AppenderRef ref="file"/></Root>
  </Loggers>
</Configuration>
"""

_FORMAT_DEADLINE_S = 60.0  # takes 1 s; see START_DEADLINE_S for slow machines
_QUESTION_DEADLINE_S = 2.0


def new_cluster_id() -> str:
    """A random id in Kafka's form: 22 characters of URL-safe base64.

    Never with a leading dash, which Kafka's own tools take for an option (its generator leaves
    those out as well).
    """
    while True:
        name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not name.startswith("-"):
            return name


class KafkaServer(Server):
    """Kafka with its data in `folder`; the first start there formats it.

    Paths in its settings are relative to the folder, so the folder may be moved and may have any
    name. The controller listens on a port of its own that is chosen at every start.
    """

    name = "Kafka"

    def __init__(
        self, folder: Path, port: int, held: Sequence[int] = (), console: Console | None = None
    ) -> None:
        super().__init__(folder, port, held)
        self._console = console

    @property
    def address(self) -> str:
        """Where clients connect, as `host:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def _logs(self) -> Sequence[Path]:
        return (self._output, self.folder / "kafka.log")

    def _prepare(self) -> list[str]:
        java = find_java()
        jars = kafka_jars(self._console)
        controller_port = ports.choose(None, "Kafka's controller")
        while controller_port == self.port:
            controller_port = ports.choose(None, "Kafka's controller")
        settings = _SETTINGS.format(host=LOOPBACK, port=self.port, controller_port=controller_port)
        (self.folder / "server.properties").write_text(settings)
        (self.folder / "log4j2.xml").write_text(_LOGGING)
        run = [str(java), *_JVM_OPTIONS, "-cp", str(jars / "*")]
        if not (self.folder / "data" / "meta.properties").exists():
            self._format([*run, "kafka.tools.StorageTool", "format"])
        return [*run, "kafka.Kafka", "server.properties"]

    def _format(self, storage_tool: list[str]) -> None:
        options = ["-t", new_cluster_id(), "-c", "server.properties", "--ignore-formatted"]
        with self._output.open("ab") as output:
            process = spawn([*storage_tool, *options], self.folder, output, self._held)
        try:
            status = process.wait(_FORMAT_DEADLINE_S)
        except subprocess.TimeoutExpired as error:
            raise LocalStackError(
                f"formatting Kafka's folder took over {_FORMAT_DEADLINE_S:.0f} s. {self._log_end()}"
            ) from error
        finally:
            process.kill()
            process.wait()
        if status != 0:
            raise LocalStackError(f"Kafka's folder cannot be formatted. {self._log_end()}")

    def _answers(self) -> bool:
        """Ask for the cluster's brokers: the list is empty until this one may take topics."""
        client = b"vigil"
        # Metadata request, version 1, no topics: https://kafka.apache.org/protocol#The_Messages_Metadata
        body = struct.pack(">hhih", 3, 1, 1, len(client)) + client + struct.pack(">i", 0)
        try:
            with socket.create_connection(
                (LOOPBACK, self.port), _QUESTION_DEADLINE_S
            ) as connection:
                connection.sendall(struct.pack(">i", len(body)) + body)
                with connection.makefile("rb") as stream:
                    answer = stream.read(12)
        except OSError:
            return False
        if len(answer) < 12:
            return False
        _size, _correlation, n_brokers = struct.unpack(">iii", answer)
        return bool(n_brokers > 0)
