"""Fetch Kafka's files now rather than at the first start: `python -m streamer.local.fetch`."""

import sys

from streamer.local.errors import LocalStackError
from streamer.local.jars import kafka_jars


def main() -> None:
    """Fill the cache, showing progress; exit 1 with a sentence when that cannot be done."""
    try:
        kafka_jars()
    except LocalStackError as error:
        sys.exit(f"{error}")


if __name__ == "__main__":
    main()
