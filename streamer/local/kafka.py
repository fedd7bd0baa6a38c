"""`KafkaServer`: Apache Kafka on this machine, broker and controller in one process (KRaft)."""

import base64
import socket
import struct
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from streamer.local import java_class_archive, kafka_storage, ports
from streamer.local.errors import LocalStackError
from streamer.local.jars import kafka_jars
from streamer.local.java import find_java
from streamer.local.ports import LOOPBACK
from streamer.local.server import Server
from streamer.local.spawner import spawn

# A small heap, one thread for the collector and no optimising compiler: up in 2-3 s with 400 MB,
# in half of that with `class_archive`.
_JVM_OPTIONS = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
    "-Djava.io.tmpdir=.",  # native compression libraries are unpacked there
    "-Dlog4j2.configurationFile=log4j2.xml",
)

_HEAP_MB = 400
_ONLY_NODE = 1

_SETTINGS = """\
process.roles=broker,controller
node.id={node}
controller.quorum.voters={voters}
controller.listener.names=CONTROLLER
inter.broker.listener.name=BROKER
listeners={listeners},CONTROLLER://{host}:{controller_port}
advertised.listeners={advertised}
listener.security.protocol.map=BROKER:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=data

# A topic that is misspelt must be an error, not a new topic.
auto.create.topics.enable=false

# Groups and transactions must work with a single node, and with any two of three nodes; few
# partitions of their own topics start quicker.
offsets.topic.replication.factor={replication}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={replication}
transaction.state.log.min.isr={min_insync}
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor={replication}
share.coordinator.state.topic.min.isr={min_insync}
share.coordinator.state.topic.num.partitions=1
min.insync.replicas={min_insync}
unclean.leader.election.enable=false
group.initial.rebalance.delay.ms=0

# A consumer that was killed must be missed within seconds in tests (the default refuses under 6 s).
group.min.session.timeout.ms=1000
# The transaction of a killed producer holds up committed readers until it is timed out: look often.
transaction.abort.timed.out.transaction.cleanup.interval.ms=1000

# After a crash the broker may rejoin only when its earlier session has timed out (9 s by default).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500

# A record that says nothing, twice a second by default, is a third of what an idle broker does.
metadata.max.idle.interval.ms=5000

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


def new_id() -> str:
    """A random id in Kafka's form: 22 characters of URL-safe base64.

    It never begins with a dash, which Kafka's own tools take for an option (Kafka's generator
    avoids these as well).
    """
    while True:
        name = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        if not name.startswith("-"):
            return name


@dataclass(frozen=True, slots=True)
class Quorum:
    """The cluster that a server is part of, and its id there.

    Attributes:
        node: id of the server itself.
        cluster_id: the id that the folders of all nodes are formatted with.
        controller_ports: the loopback port of each node's controller, by node id.
    """

    node: int
    cluster_id: str
    controller_ports: Mapping[int, int]


class KafkaServer(Server):
    """Kafka with its data in `folder`; the first start formats the folder.

    Paths in its settings are relative to the folder, so the folder may be moved and may have any
    name. Without a quorum, its controller listens on a port that is chosen at every start.

    Args:
        folder: its data, settings and logs.
        port: the port for clients on 127.0.0.1.
        held: file descriptors that the process keeps open.
        console: shows the progress of a first download.
        proxy_port: a second listener sends its clients to this port; None is no such listener.
        quorum: the cluster it is part of; None is one of its own.
        heap_mb: most memory for Java's objects, in MiB.

    Attributes:
        proxy_port: the port that clients of the second listener are sent to.
        behind_proxy_port: the port of the second listener, for the proxy.
    """

    name = "Kafka"

    def __init__(
        self,
        folder: Path,
        port: int,
        held: Sequence[int] = (),
        console: Console | None = None,
        *,
        proxy_port: int | None = None,
        quorum: Quorum | None = None,
        heap_mb: int = _HEAP_MB,
    ) -> None:
        super().__init__(folder, port, held)
        self._console = console
        self.proxy_port = proxy_port
        self._quorum = quorum
        self._heap_mb = heap_mb
        self.behind_proxy_port: int | None = None
        if proxy_port is not None:
            self.behind_proxy_port = ports.choose_other_than({port, proxy_port}, "Kafka")

    @property
    def address(self) -> str:
        """The bootstrap address for clients, `host:port`."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def _logs(self) -> Sequence[Path]:
        return (self._output, self.folder / "kafka.log")

    def _prepare(self) -> list[str]:
        java = find_java()
        jars = kafka_jars(self._console)
        options = [f"-Xmx{self._heap_mb}m", *_JVM_OPTIONS, *java_class_archive.options(java, jars)]
        run = [str(java), *options, "-cp", str(jars / "*")]
        quorum = self._quorum or self._own_quorum()
        (self.folder / "server.properties").write_text(self._settings(quorum))
        (self.folder / "log4j2.xml").write_text(_LOGGING)
        if not kafka_storage.is_formatted(self.folder / "data"):
            self._format(jars, [*run, "kafka.tools.StorageTool", "format"], quorum)
        return [*run, "kafka.Kafka", "server.properties"]

    def _own_quorum(self) -> Quorum:
        taken = {self.port, self.proxy_port, self.behind_proxy_port}
        port = ports.choose_other_than(taken, "Kafka's controller")
        return Quorum(_ONLY_NODE, new_id(), {_ONLY_NODE: port})

    def _settings(self, quorum: Quorum) -> str:
        listeners = advertised = f"BROKER://{LOOPBACK}:{self.port}"
        if self.proxy_port is not None:
            listeners += f",PROXIED://{LOOPBACK}:{self.behind_proxy_port}"
            advertised += f",PROXIED://{LOOPBACK}:{self.proxy_port}"
        controllers = quorum.controller_ports
        return _SETTINGS.format(
            host=LOOPBACK,
            node=quorum.node,
            voters=",".join(f"{node}@{LOOPBACK}:{port}" for node, port in controllers.items()),
            listeners=listeners,
            advertised=advertised,
            controller_port=controllers[quorum.node],
            replication=len(controllers),
            min_insync=max(1, len(controllers) - 1),
        )

    def _format(self, jars: Path, storage_tool: list[str], quorum: Quorum) -> None:
        data = self.folder / "data"
        if not kafka_storage.format_folder(
            data, jars, node=quorum.node, cluster_id=quorum.cluster_id, directory_id=new_id()
        ):
            self._format_with_tool(storage_tool, quorum.cluster_id)
            kafka_storage.keep_features(data, jars)

    def _format_with_tool(self, storage_tool: list[str], cluster_id: str) -> None:
        options = ["-t", cluster_id, "-c", "server.properties", "--ignore-formatted"]
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
        """Ask for the cluster's brokers; the list is empty until this one serves topics."""
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
