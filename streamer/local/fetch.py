"""Prepare the first start of Kafka: `python -m streamer.local.fetch`.

Downloads Kafka's files, and then starts a broker once to write the archive of its classes.
"""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.console import Console

from streamer.local import java_class_archive, ports
from streamer.local.errors import LocalStackError
from streamer.local.jars import kafka_jars
from streamer.local.java import find_java
from streamer.local.kafka import KafkaServer

_N_ARGUMENTS: Final = 2  # the last words of a broker's command: its class and its settings


class _ListedServer(KafkaServer):
    """A broker that lists the classes it loads in a file of its folder."""

    @property
    def class_list(self) -> Path:
        return self.folder / "classes.lst"

    def _prepare(self) -> list[str]:
        java, *rest = super()._prepare()
        self.java = [java, *rest[:-_N_ARGUMENTS]]
        return [java, java_class_archive.listing(self.class_list), *rest]


def archive_classes() -> None:
    """Write the archive of Kafka's classes for this machine's Java, unless it exists.

    Raises:
        LocalStackError: Kafka does not start.
        OSError, subprocess.SubprocessError: this Java writes no archive, or the disk is full.
    """
    archive = java_class_archive.archive_of(find_java(), kafka_jars())
    if archive.is_file():
        return
    with tempfile.TemporaryDirectory(prefix="vigil-") as folder:
        server = _ListedServer(Path(folder) / "kafka", ports.choose(None, "Kafka"))
        try:
            server.start()
        finally:
            server.stop()
        java_class_archive.write(server.java, server.class_list, archive)


def main() -> None:
    """Fill the cache and show the progress; exit 1 with the reason if Kafka cannot be fetched."""
    try:
        kafka_jars()
        archive_classes()
    except LocalStackError as error:
        sys.exit(f"{error}")
    except (OSError, subprocess.SubprocessError) as error:
        reason = f"The archive of Kafka's classes cannot be written, Kafka starts slower: {error}"
        Console(stderr=True).print(reason, markup=False)


if __name__ == "__main__":
    main()
