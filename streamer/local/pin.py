"""Write `kafka-jars.lock` anew: `python -m streamer.local.pin`, after `KAFKA_VERSION` changed.

This resolves Kafka's dependency tree through Maven metadata once, so that everybody else downloads
a fixed list of files and checks each against its SHA-256.
"""

import hashlib
import sys
import tempfile
from pathlib import Path

from jgo.maven import MavenContext

from streamer.local.jars import KAFKA_VERSION, LOCK, Jar

_KAFKA = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
_RUNTIME_SCOPES = ("compile", "runtime")


def pinned() -> list[Jar]:
    """Kafka, its run-time dependencies, and the binding that lets it write a log.

    Raises:
        requests.RequestException: the repository cannot be reached.
    """
    with tempfile.TemporaryDirectory() as folder:
        maven = MavenContext(repo_cache=Path(folder))
        kafka = maven.create_dependency(_KAFKA)
        kafka.scope = "compile"
        inputs, transitive = maven.resolver.resolve([kafka])
        tree = [*inputs, *(needed for needed in transitive if needed.scope in _RUNTIME_SCOPES)]
        artifacts = [needed.artifact for needed in tree]
        log4j = next(artifact for artifact in artifacts if artifact.artifactId == "log4j-core")
        # Added after resolving: as a second root, its parent would manage Kafka's versions down.
        binding = maven.project(log4j.groupId, "log4j-slf4j-impl").at_version(log4j.version)
        artifacts.append(binding.artifact())
        jars = []
        for artifact in artifacts:
            content = artifact.resolve().read_bytes()
            coordinate = f"{artifact.groupId}:{artifact.artifactId}:{artifact.version}"
            jars.append(Jar(coordinate, len(content), hashlib.sha256(content).hexdigest()))
        return sorted(jars, key=lambda jar: jar.coordinate)


def main() -> None:
    """Replace the lock file and print the number of its files."""
    jars = pinned()
    header = "# SHA-256, bytes, Maven coordinate. Written by `python -m streamer.local.pin`.\n"
    LOCK.write_text(header + "".join(f"{jar.line()}\n" for jar in jars))
    sys.stderr.write(
        f"{LOCK.name}: {len(jars)} files, {sum(jar.n_bytes for jar in jars):,} bytes\n"
    )


if __name__ == "__main__":
    main()
