"""Mutation tests: each guard is removed in a copy of the tree, and tests must fail.

`python -m bench.mutations` prints a table in Markdown and exits with 1 when one survives.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_LEFT_OUT: Final = shutil.ignore_patterns(".*", "__pycache__", "*.egg-info")
_DEADLINE_S: Final = 600.0
_SOME_FAILED: Final = 1  # pytest's exit code; others mean that it could not run them


@dataclass(frozen=True, slots=True)
class Mutation:
    """One guard, and the source text without it.

    Attributes:
        removes: the guard, in words.
        file: path from the root of the tree.
        old: the text with the guard; occurs once.
        new: the text without it.
        tests: ids of the tests that must fail.
    """

    removes: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


_CRASHES: Final = "tests/faults/test_crashes.py::test_killed"
_ZOMBIES: Final = "tests/faults/test_zombies.py::test_asleep"
_CLIENT: Final = "tests/adapters/kafka/test_client_fixes.py::test"
_REDIS: Final = "tests/faults/test_redis_faults.py::test_redis"
_FORGOTTEN: Final = (
    "tests/faults/test_recovery.py"
    "::test_a_transaction_whose_end_was_forgotten_ends_as_it_should_have"
)
_STORE: Final = "tests/contract/test_states.py::TestRedisStates::test"

MUTATIONS: Final = (
    Mutation(
        "the archive: a commit rests on the table's path, not on the snapshot that was read",
        "trainer/archive/delta_table.py",
        "            self._snapshot.create_write_transaction(\n",
        "            DeltaTable(self.folder).create_write_transaction(\n",
        (
            "tests/trainer/archive/test_writer.py"
            "::test_one_that_was_paused_past_its_session_commits_nothing",
            "tests/trainer/archive/test_delta_table.py::test_a_commit_on_an_old_snapshot_conflicts",
        ),
    ),
    Mutation(
        "the archive: the next offset is that after the last record, not the position",
        "trainer/archive/writer.py",
        "        self.next_offsets |= positions  # past the markers of transactions, too\n",
        "        for p, o in zip(records.partition.tolist(), records.offset.tolist()):\n"
        "            self.next_offsets[p] = o + 1\n",
        (
            "tests/trainer/archive/test_writer.py"
            "::test_every_record_is_kept_once_with_its_position_past_the_markers",
        ),
    ),
    Mutation(
        "the archive: the log of a table is left in memory",
        "trainer/archive/delta_table.py",
        "raise NotWritten(str(error)) from error\n        self._sync_log()\n",
        "raise NotWritten(str(error)) from error\n",
        ("tests/trainer/archive/test_writer.py::test_files_are_on_disk_before_the_log_names_them",),
    ),
    Mutation(
        "the archive: a verdict on an alert is a label",
        "trainer/archive/message_rows.py",
        "    if kind == VERDICT:\n"
        '        raise _Refused("verdict")  # about an alert: never a label\n',
        '    kind = "sepsis_onset" if kind == VERDICT else kind\n',
        (
            "tests/trainer/archive/test_message_rows.py"
            "::test_a_verdict_among_the_outcomes_is_no_label",
        ),
    ),
    Mutation(
        "the archive: a stay counts as soon as it is labelled",
        "trainer/archive/cohort.py",
        "discharge_ms + round(mature_hours * HOUR_MS) <= now_ms",
        "discharge_ms <= now_ms",
        (
            "tests/trainer/archive/test_cohort.py"
            "::test_what_nobody_vouches_for_or_is_not_mature_is_counted_and_left_out",
        ),
    ),
    Mutation(
        "runs: the patients who decide are learned from",
        "trainer/data/periods.py",
        '    is_training = (sides != "test") & ~is_new\n',
        "    is_training = ~is_new\n",
        (
            "tests/trainer/data/test_periods.py"
            "::test_training_is_before_the_newest_weeks_and_shares_no_patient_with_them",
        ),
    ),
    Mutation(
        "runs: a candidate is judged on whom it knows",
        "trainer/registry/promotion.py",
        "        stays = unseen_by(candidate, held_out.cohort, stays)\n",
        "",
        (
            "tests/trainer/registry/test_promotion.py"
            "::test_a_comparison_is_made_on_patients_that_neither_was_fitted_on",
        ),
    ),
    Mutation(
        "runs: a bundle is calibrated on stays that its network learned from",
        "trainer/recalibrate.py",
        "known[~learned_from(bundle.manifest, cohort)[known]]",
        "known",
        (
            "tests/trainer/test_recalibrate.py"
            "::test_nothing_is_chosen_on_stays_that_the_network_learned_from",
        ),
    ),
    Mutation(
        "runs: the number of the lease is not compared in Redis",
        "streamer/adapters/redis/models.py",
        "if tonumber(ARGV[6]) > 0 and tonumber(ARGV[6]) < fence then return {{-1, fence}} end\n",
        "",
        (
            "tests/contract/test_models.py"
            "::TestRedis::test_a_later_lease_fences_an_earlier_one_and_never_a_person",
        ),
    ),
    Mutation(
        "the fence: the epoch is not compared",
        "streamer/adapters/redis/states.py",
        "if have[1] ~= ARGV[1] then return 'epoch ' .. (have[1] or 'none') end\n",
        "",
        (f"{_STORE}_an_owner_before_the_last_one_is_fenced",),
    ),
    Mutation(
        "the watermark is not compared",
        "streamer/adapters/redis/states.py",
        "if watermark ~= ARGV[2] and watermark ~= ARGV[3] then "
        "return 'watermark ' .. watermark end\n",
        "",
        (
            f"{_REDIS}_is_killed_and_comes_back_without_its_last_seconds",
            f"{_STORE}_another_watermark_than_expected_is_fenced",
        ),
    ),
    Mutation(
        "the transaction: offsets are committed after the messages",
        "streamer/adapters/kafka/log.py",
        "            producer.send_offsets_to_transaction(positions, membership)\n",
        "            producer.commit_transaction()\n"
        '            self._fault("in_transaction")\n'
        "            producer.begin_transaction()\n"
        "            producer.send_offsets_to_transaction(positions, membership)\n",
        (f"{_CRASHES}[in_the_transaction]",),
    ),
    Mutation(
        "the generation: offsets are committed in the one that is known by now",
        "streamer/adapters/kafka/log.py",
        "self._membership = self._consumer.assigned_as\n",
        "self._membership = self._consumer.group_metadata()\n",
        (f"{_CLIENT}_records_are_committed_in_the_generation_that_assigned_them",),
    ),
    Mutation(
        "isolation: uncommitted records and offsets are read",
        "streamer/adapters/kafka/options.py",
        "        # only when no transaction that moves it is open.\n"
        '        isolation_level="read_committed",\n',
        '        isolation_level="read_uncommitted",\n',
        (f"{_ZOMBIES}[in_the_transaction]",),
    ),
    Mutation(
        "the order: states are saved before the transaction",
        "streamer/service/worker.py",
        '        self._fault("before_transaction")\n',
        "        self.unsaved.note(scored.positions)\n"
        "        self.unsaved.save()\n"
        '        self._fault("before_transaction")\n',
        (f"{_CRASHES}[before_the_transaction]",),
    ),
    Mutation(
        "silence: replayed events cause messages again",
        "streamer/service/takeover.py",
        "    return Start(watermark, watermark if committed is None else committed)\n",
        "    return Start(watermark, watermark)\n",
        (f"{_CRASHES}[after_the_commit_and_before_redis]",),
    ),
    Mutation(
        "recovery: a transaction that a broker forgot to end stays open",
        "streamer/adapters/kafka/recovery.py",
        "                if self._last is not None:\n",
        "                if self._last is None:\n",
        (f"{_FORGOTTEN}[commit]", f"{_FORGOTTEN}[abort]"),
    ),
    Mutation(
        "recovery: a committed transaction is aborted",
        "streamer/adapters/kafka/recovery.py",
        "commit = self._last is TransactionState.COMPLETE_COMMIT",
        "commit = False",
        (f"{_FORGOTTEN}[commit]",),
    ),
)


def copy_tree(tree: Path, *parts: str) -> None:
    """Copies the sources to ``tree``: the whole root, or only these folders of it."""
    for part in parts or ("",):
        shutil.copytree(ROOT / part, tree / part, ignore=_LEFT_OUT)


def mutate(mutation: Mutation, tree: Path) -> None:
    """Removes the guard from the sources under ``tree``.

    Raises:
        ValueError: the text is not there, or more than once: the mutation is out of date.
    """
    file = tree / mutation.file
    text = file.read_text()
    if text.count(mutation.old) != 1:
        times = text.count(mutation.old)
        raise ValueError(
            f"{mutation.removes}: found {times} times in {mutation.file}, not once: update its text"
        )
    file.write_text(text.replace(mutation.old, mutation.new))


def failures(tree: Path, tests: Sequence[str]) -> list[str]:
    """Runs tests in a tree and returns the ids of those that fail.

    Raises:
        RuntimeError: pytest could not run them.
    """
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rfE", "--tb=no", "-p", "no:cacheprovider", *tests],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
    )
    if ended.returncode not in (0, _SOME_FAILED):
        raise RuntimeError(f"pytest ended with {ended.returncode}:\n{ended.stdout[-3000:]}")
    return re.findall(r"^(?:FAILED|ERROR) (\S+)", ended.stdout, re.MULTILINE)


def main() -> int:
    """Tries every mutation and prints a table; 1 if one survives."""
    parser = argparse.ArgumentParser(prog="python -m bench.mutations", description=__doc__)
    parser.add_argument(
        "--only", default="", help="run only mutations whose description contains this"
    )
    arguments = parser.parse_args()
    survived = False
    print("| without | tests that fail |\n|---|---|", flush=True)
    for mutation in MUTATIONS:
        if arguments.only not in mutation.removes:
            continue
        with tempfile.TemporaryDirectory(prefix="vigil-mutation-") as name:
            tree = Path(name) / "tree"
            copy_tree(tree)
            mutate(mutation, tree)
            failed = failures(tree, mutation.tests)
        survived |= not failed
        shown = ", ".join(f"`{test.rpartition('/')[2]}`" for test in failed)
        print(f"| {mutation.removes} | {shown or '**none**'} |", flush=True)
    return int(survived)


if __name__ == "__main__":
    sys.exit(main())
