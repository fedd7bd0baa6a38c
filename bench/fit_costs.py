"""Costs of a fit: seconds, processor seconds and greatest memory of each part.

What would be said before it stands beside them. Rounds and epochs take no memory of
their own, so few of them show the memory of all. The stays are a part of those in the files, spread
over them; they are written by another process, which is not measured.

    python -m bench.fit_costs --data A.parquet --data B.parquet --stays 30000 \\
        --set teacher_rounds=2 --set reading_epochs=1 --set epochs=1 --set forecast_epochs=1
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from bench import machine
from streamer.datasets.cohort import Progress
from trainer.fit import fit
from trainer.progress import Reporter
from trainer.training.needs import needs_of
from trainer.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a fit.

    Attributes:
        name: as the fit calls it.
        seconds: of the clock.
        cpu_seconds: of all processors together.
        peak_gb: the greatest memory from the end of the part before.
    """

    name: str
    seconds: float
    cpu_seconds: float
    peak_gb: float


@dataclass
class Watching(Reporter):
    """Notes what each part took; lines go to standard error as ever."""

    parts: list[Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    @contextmanager
    def follow(self, what: str) -> Iterator[Progress]:
        """See ``Reporter``."""
        began, cpu = time.monotonic(), time.process_time()
        yield lambda _done, _total: None
        seconds, cpu_seconds = time.monotonic() - began, time.process_time() - cpu
        self.parts.append(Part(what, seconds, cpu_seconds, peak_gb()))
        forget_peak()


def peak_gb() -> float:
    """The greatest memory of this process since ``forget_peak``, GB."""
    status = Path("/proc/self/status").read_text()
    kilobytes = status.partition("VmHWM:")[2].split(maxsplit=1)[0]
    return int(kilobytes) * 1024 / 1e9


def forget_peak() -> None:
    """Lets the greatest memory begin anew with what is held now."""
    Path("/proc/self/clear_refs").write_text("5")


def write_part(paths: list[Path], n: int, file: Path) -> int:
    """Writes so many stays of the files into one, spread over them; returns how many there are."""
    names = pq.read_schema(paths[0]).names
    columns = [pq.read_table(path, columns=["patient"])["patient"] for path in paths]
    every = pa.concat_arrays([pc.unique(column.combine_chunks()) for column in columns])
    chosen = every.take(np.linspace(0, len(every) - 1, min(n, len(every))).astype(np.int64))
    with pq.ParquetWriter(file, pq.read_schema(paths[0]).remove_metadata()) as writer:
        for path in paths:
            table = pq.read_table(path, columns=names)
            writer.write_table(table.filter(pc.is_in(table["patient"], chosen)))
    return len(every)


def main() -> int:
    """Fits, and prints a line a part."""
    parser = argparse.ArgumentParser(prog="python -m bench.fit_costs", description=__doc__)
    parser.add_argument("--data", type=Path, action="append", required=True)
    parser.add_argument("--stays", type=int, default=30_000)
    parser.add_argument("--set", dest="knobs", action="append", default=[], metavar="KNOB=VALUE")
    parser.add_argument("--out", type=Path, help="keeps what the fit wrote; else it is removed")
    options = parser.parse_args()
    recipe, wrong = Recipe().changed(options.knobs)
    if wrong:
        parser.error("; ".join(wrong))
    reporter = Watching()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stays.parquet"
        with ProcessPoolExecutor(1) as other:
            n = other.submit(write_part, options.data, options.stays, file).result()
        if n < options.stays:
            parser.error(f"--stays {options.stays}: the files have {n}")
        began, cpu = time.monotonic(), time.process_time()
        fitted = fit(
            [file], options.out or Path(folder) / "fit", recipe, reporter=reporter, n_bootstrap=0
        )
        rest = Part(
            "all",
            time.monotonic() - began,
            time.process_time() - cpu,
            max(peak_gb(), *(part.peak_gb for part in reporter.parts)),
        )
    print(machine.describe())
    print(
        f"{options.stays} stays, {fitted.bundle.manifest['data']['n_rows']:,} hours, "
        f"{' '.join(options.knobs)}; model {fitted.bundle.shown_id}"
    )
    n_hours = fitted.bundle.manifest["data"]["n_rows"]
    needs = needs_of(n_hours, recipe, torch.get_num_threads())
    print(f"{'estimate':18} {needs.seconds:7.1f} s, {' ' * 15} peak {needs.memory_gb:.2f} GB")
    for part in (*reporter.parts, rest):
        print(
            f"{part.name:18} {part.seconds:7.1f} s, {part.cpu_seconds:7.1f} CPU s, "
            f"peak {part.peak_gb:.2f} GB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
