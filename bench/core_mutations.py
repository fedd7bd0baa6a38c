"""Twelve rules of the core, each broken in a copy of the tree: the independent oracle must notice.

`python -m bench.core_mutations` prints a table in Markdown and exits with 1 when one is not
noticed, or when the oracle finds something wrong in the tree as it is. No Kafka and no Redis are
needed: each copy runs `bench.core_trial`, some seconds of work.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench.mutations import Mutation, copy_tree, mutate

_DEADLINE_S: Final = 300.0


def _rule(broken: str, file: str, old: str, new: str) -> Mutation:
    return Mutation(broken, f"streamer/core/{file}.py", old, new, ())


MUTATIONS: Final = (
    _rule(
        "evaluation: an interval is evaluated when it is over, not when it begins",
        "parallel_waves",
        "        evaluates = valid & (interval > newest)\n",
        "        evaluates = valid & (interval > interval_ms + newest)\n",
    ),
    _rule(
        "hysteresis: an alert ends just below the threshold at which it starts",
        "alerts",
        "risk < policy.off",
        "risk < policy.medium",
    ),
    _rule(
        "lock-out: eleven hours",
        "alerts",
        "LOCKOUT_MS: Final = 12 * HOUR_MS",
        "LOCKOUT_MS: Final = 11 * HOUR_MS",
    ),
    _rule(
        "expiry: a stay is let go after fourteen days",
        "expiry",
        "KEPT_DAYS: Final = 15",
        "KEPT_DAYS: Final = 14",
    ),
    _rule(
        "unit: creatinine in umol/L is divided by 84.4",
        "variables",
        "Conversion(1 / 88.4)",
        "Conversion(1 / 84.4)",
    ),
    _rule(
        "limit: a heart rate of 300 is missing",
        "variables",
        '"heart_rate", "HR", "heart rate", "/min", 10, 300,',
        '"heart_rate", "HR", "heart rate", "/min", 10, 299,',
    ),
    _rule(
        "rebinning: the values come half an hour later than they were",
        "stay_lifecycle",
        "    kept = cells[cells.time_ms >= origin_ms]\n",
        "    kept = cells[cells.time_ms >= origin_ms]\n"
        "    kept.time_ms[:] = np.minimum(kept.time_ms + HOUR_MS // 2, newest_ms)\n",
    ),
    _rule(
        "discharge: it ends no alert",
        "event_fold",
        '            if table["discharge_ms"][slot] != NEVER:\n',
        '            if table["discharge_ms"][slot] == 0:\n',
    ),
    _rule(
        "smoothing: a half-life of thirteen hours",
        "features",
        "_SLOW: Final = np.float32(1 - 0.5 ** (1 / 12))",
        "_SLOW: Final = np.float32(1 - 0.5 ** (1 / 13))",
    ),
    _rule(
        "bins: a bin has its last millisecond in the next",
        "timeline",
        "    return (time_ms - origin_ms) // HOUR_MS\n",
        "    return (time_ms - origin_ms + 1) // HOUR_MS\n",
    ),
    _rule(
        "reasons: the weakest comes first",
        "assessment",
        "np.argsort(-added, axis=1, kind=\"stable\")[:, : explain.MOST_REASONS]\n",
        "np.argsort(-added, axis=1, kind=\"stable\")[:, : explain.MOST_REASONS][:, ::-1]\n",
    ),
    _rule(
        "alert id: it has the number of the alert before",
        "answers",
        "{rfc3339(start_ms)}/{number}",
        "{rfc3339(start_ms)}/{number - 1}",
    ),
)  # fmt: skip


def noticed(mutation: Mutation | None, patients: int) -> str:
    """The faults that the oracle finds in a copy of the tree, by kind; empty: none.

    Args:
        mutation: the rule that is broken; ``None`` for the tree as it is.
        patients: number of invented patients.

    Raises:
        RuntimeError: the trial could not be run.
    """
    with tempfile.TemporaryDirectory(prefix="vigil-mutation-") as name:
        tree = Path(name) / "tree"
        copy_tree(tree, "streamer", "bench")
        if mutation is not None:
            mutate(mutation, tree)
        ended = subprocess.run(
            [sys.executable, "-m", "bench.core_trial", "--patients", str(patients)],
            cwd=tree,
            env=os.environ | {"PYTHONPATH": str(tree)},
            capture_output=True,
            text=True,
            timeout=_DEADLINE_S,
            check=False,
        )
    faults = re.search(r"^faults:(.*)$", ended.stdout, re.MULTILINE)
    if faults is None:
        raise RuntimeError(f"the trial ended with {ended.returncode}:\n{ended.stderr[-3000:]}")
    return faults[1].strip()


def main() -> int:
    """Tries every mutation and prints a table; 1 if one is not noticed."""
    parser = argparse.ArgumentParser(prog="python -m bench.core_mutations", description=__doc__)
    parser.add_argument("--only", default="", help="run only those whose words contain this")
    parser.add_argument("--patients", type=int, default=24, help="invent so many (default: 24)")
    arguments = parser.parse_args()
    holds, sound = True, ""
    print("| broken rule | faults that the oracle finds |\n|---|---|", flush=True)
    for mutation in (None, *MUTATIONS):
        if mutation is not None and arguments.only not in mutation.removes:
            continue
        faults = noticed(mutation, arguments.patients)
        sound = faults if mutation is None else sound
        # Found in the tree as it is as well, a fault notices nothing.
        holds &= (faults != sound) if mutation is not None else not faults
        broken = "none" if mutation is None else mutation.removes
        print(f"| {broken} | {faults or '**none**'} |", flush=True)
    return int(not holds)


if __name__ == "__main__":
    sys.exit(main())
