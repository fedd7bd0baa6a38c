"""The core on an invented log, judged by the oracle that shares nothing with it.

`python -m bench.core_trial` prints what is wrong and ends with 1 if anything is: a minute's work
becomes a few seconds, for there is no Kafka and no Redis. `bench.core_mutations` runs it on copies
of the tree in which a rule of the core is broken.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from bench.independent_oracle.judge import Answer, Judge
from bench.independent_oracle.ledger import Record
from bench.independent_oracle.network import Bundle as OracleBundle
from bench.invented_log import invented_log
from bench.metamorphic import differences
from streamer.bundles import bundle
from streamer.bundles.build import build
from streamer.core import records
from streamer.core.columns import decode
from streamer.core.messages import write
from streamer.core.model import Model
from streamer.core.scoring import Scorer
from streamer.core.stays import StayTable

INTERVAL_MS = 30 * 60_000
FUTURE_LIMIT_MS = 3_600_000


@cache
def _model() -> Model:
    return build(bundle.load(bundle.SHIPPED))


def answers(log: Sequence[Record], cuts: random.Random) -> list[Answer]:
    """The core's messages for each record of a log, taken in batches that ``cuts`` draws."""
    model = _model()
    scorer = Scorer(model, StayTable(model.architecture), INTERVAL_MS)
    result = [Answer() for _ in log]
    start = 0
    while start < len(log):
        size = cuts.randint(1, 120)
        batch = [
            records.Record(r.partition, r.offset, r.timestamp_ms, r.key, r.value)
            for r in log[start : start + size]
        ]
        columns = decode(batch, FUTURE_LIMIT_MS)
        outcome = scorer.score(columns, [0] * len(columns.patients))
        for rejection in outcome.rejections:
            result[start + rejection.record].rejected.append(rejection.reason.value)
        for message in write(outcome, columns.record.tolist(), batch, model, scorer.table):
            answer = result[start + message.record]
            if message.kind in ("risk", "alert"):
                (answer.risks if message.kind == "risk" else answer.alerts).append(message.content)
        start += size
    return result


@dataclass(slots=True)
class Verdict:
    """The faults of a trial by kind, some examples, and what was there to be judged."""

    faults: Counter[str]
    examples: list[str]
    checked: Counter[str]
    seen: Counter[str]


def trial(log: Sequence[Record], seed: int) -> Verdict:
    """Runs the core over a log and judges its messages; ``seed`` cuts the batches."""
    shipped = OracleBundle.read(bundle.SHIPPED)
    judge = Judge({shipped.manifest["model"][:12]: shipped}, INTERVAL_MS, FUTURE_LIMIT_MS)
    seen: Counter[str] = Counter(records=len(log))
    for record, answer in zip(log, answers(log, random.Random(seed)), strict=True):
        judge.take(record, answer)
        seen.update(alert["phase"] for alert in answer.alerts)
        seen.update(answer.rejected)
        seen["risks"] += len(answer.risks)
    return Verdict(judge.faults, judge.examples, judge.checked, seen)


def main() -> int:
    """Runs a trial and prints it; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.core_trial", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="draw the log from this seed")
    parser.add_argument("--patients", type=int, default=24, help="invent so many (default: 24)")
    parser.add_argument("--metamorphic", action="store_true", help="change the log as well")
    arguments = parser.parse_args()
    log = invented_log(arguments.seed, arguments.patients)
    verdict = trial(log, arguments.seed)
    print("seen:", *(f"{kind} {n}" for kind, n in verdict.seen.most_common()))
    print("checked:", *(f"{kind} {n}" for kind, n in verdict.checked.most_common()))
    if arguments.metamorphic:
        changes = differences(log, answers, arguments.seed)
        verdict.examples += changes
        verdict.faults.update({"metamorphic": len(changes)} if changes else {})
    print("\n".join(verdict.examples))
    print("faults:", *(f"{kind} {n}" for kind, n in verdict.faults.most_common()))
    return int(bool(verdict.faults))


if __name__ == "__main__":
    sys.exit(main())
