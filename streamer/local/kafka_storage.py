"""The data folder of a new broker, without Kafka's own tool, which takes a second of Java.

Of the two files that the tool writes, one says which features the cluster begins with: it is the
same for all folders and is kept beside the jars. The other has the ids of the cluster and the node.
"""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

_FEATURES: Final = "bootstrap.checkpoint"
_IDS: Final = "meta.properties"


def is_formatted(data: Path) -> bool:
    """Whether a broker's data folder is formatted."""
    return (data / _IDS).exists()


def features_of(jars: Path) -> Path:
    """The path of the features that are kept for a folder of jars: beside the folder."""
    return jars.with_name(f"{jars.name}.checkpoint")


def format_folder(data: Path, jars: Path, *, node: int, cluster_id: str, directory_id: str) -> bool:
    """Format a data folder as Kafka's tool does; False if no features are kept yet.

    The ids come last: a folder whose formatting was cut short is formatted again.

    Args:
        data: the folder, which may exist.
        jars: Kafka's program files.
        node: id of the broker in its cluster.
        cluster_id: id of the cluster.
        directory_id: id of the folder, which no other of the cluster has.

    Raises:
        OSError: the folder cannot be written.
    """
    features = features_of(jars)
    if not features.is_file():
        return False
    data.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(features, data / _FEATURES)
    ids = {"version": 1, "cluster.id": cluster_id, "node.id": node, "directory.id": directory_id}
    partial = data / f"{_IDS}.partial"
    partial.write_text("".join(f"{name}={value}\n" for name, value in ids.items()))
    partial.replace(data / _IDS)
    return True


def keep_features(data: Path, jars: Path) -> None:
    """Keep the features of a folder that Kafka's tool has formatted, unless nobody may write."""
    kept = features_of(jars)
    partial = kept.with_suffix(f".{os.getpid()}")
    with suppress(OSError):  # the cache belongs to another user
        try:
            shutil.copyfile(data / _FEATURES, partial)
            partial.replace(kept)
        finally:
            partial.unlink(missing_ok=True)
