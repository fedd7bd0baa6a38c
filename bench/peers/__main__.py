"""`python -m bench.peers`: the comparison of the service with its peers, alone."""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from bench.comparison import FULL, QUICK, backlogs, compare, warm_up
from bench.cores import divide
from bench.engines import prepare_env
from bench.machine import describe
from bench.table import comparison_table
from streamer.local import LocalStack


def main() -> None:
    """Measures and prints Markdown."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="measure briefly, to see that it runs")
    extent = QUICK if parser.parse_args().quick else FULL
    cores = divide()  # before Kafka starts: it inherits them
    with LocalStack() as stack, tempfile.TemporaryDirectory() as folder:
        env = prepare_env(stack, Path(folder), cores)
        print(f"Machine: {describe()}; {cores.describe()}.\n")
        loads = backlogs(env, extent)
        warm_up(env, loads[0])
        print(comparison_table(compare(env, loads, extent)))


if __name__ == "__main__":
    main()
