"""The report of a chaos run, as Markdown: `docs/chaos.md`."""

from __future__ import annotations

from typing import Final

from bench import oracle
from bench.chaos import judging
from bench.chaos.run import Outcome, Plan

_INTRODUCTION: Final = """\
# Chaos

`make chaos` starts a Kafka, a Redis and services of its own. It sends the events of a simulated
ward at an even pace, with late, repeated and invalid ones among them, and breaks everything
meanwhile. A lane of faults runs for each service, for one more service that comes and goes, for
Redis, for the broker, for the sender and for a board, on which people answer alerts meanwhile. Each
lane draws its faults from the seed, one after the other, so that faults of several targets meet.
Among the records are some that no reader can parse, batches of an unknown codec, some that unpack
to 400 MB, and record times in microseconds. The model is a published one: it is lost with Redis,
and no other may speak. Then it lets the services finish, and compares

- every risk, alert and rejected event that a `read_committed` subscriber sees (key, value, headers
  and order), and
- every stay that Redis holds, byte for byte,

with a pure fold of the input log, partition by partition (`bench/oracle.py`). The fold goes through
the core itself. A second oracle shares nothing with it (`bench/independent_oracle/`): it is
written from the documents, follows every stay and alert, and computes the risks of a sample of
patients in double precision. A watch looks at every partition each second: none may stand still
while all services say that they are ready.

Each action that the board accepted with 202 must have one phase, of the first of its records,
though people press twice and the board is killed; one that reached a patient who had been let go is
rejected instead. `bench/chaos/judging_actions.py` counts that from the topics, and derives the
response of each alert from its messages.

`--swaps` publishes models in turns meanwhile. The fold knows only one model, so rejected events
alone are then compared with it, and everything with the second oracle.

Records have the times of three weeks, so stays expire, and come in batches of every codec. It exits
with 0 only if nothing differs. `tests/faults/test_chaos.py` is a short form.
`tests/bench/test_oracle.py` and `tests/bench/independent_oracle/test_judge.py` show that the
oracles notice one record that is missing, doubled, changed, too many or out of order.

A seed fixes the events and the sequence of faults of each target. The event at which a fault
strikes depends on the machine. One broker on one disk cannot show the effect of replication."""


def document(plan: Plan, outcome: Outcome, machine: str) -> str:
    """The report with an introduction for the reader."""
    return f"{_INTRODUCTION}\n\n## A run\n\n{report(plan, outcome, machine)}\n"


def report(plan: Plan, outcome: Outcome, machine: str) -> str:
    """The plan, the machine, the faults and the differences of a run.

    Args:
        plan: of the run.
        outcome: of the run.
        machine: description of the machine.
    """
    kinds = outcome.by_kind
    expected = {kind: counts.expected for kind, counts in outcome.differences.items()}
    lines = [
        f"Seed {plan.seed}, {plan.seconds / 60:g} minutes of faults, {plan.services} services and "
        f"one that comes and goes, on {machine}.",
        "",
        "| events | risks | alerts | stays | verdicts | rejected | states | faults | kinds | "
        "differences |",
        "|---|---|---|---|---|---|---|---|---|---|",
        f"| {outcome.events:,} | "
        + " | ".join(f"{expected.get(kind, 0):,}" for kind in oracle.KINDS if "canary" not in kind)
        + f" | {kinds.total():,} | {len(kinds)} | "
        + (f"{outcome.n_differences:,}" if outcome.differences else "not compared")
        + " |",
        "",
        oracle.table(outcome.differences),
        "",
        judging.table(outcome.judgement),
        "",
        f"The longest time in which a partition stood still though all services said that they "
        f"were ready: {outcome.longest_silence_s:.0f} s.",
        "",
        "| fault | times |",
        "|---|---|",
        *(f"| {kind} | {times} |" for kind, times in sorted(kinds.items())),
        "",
        "| what the services went through | times |",
        "|---|---|",
        *(f"| {event} | {times:,} |" for event, times in sorted(outcome.service_events.items())),
        "",
        f"When the faults were over, {outcome.left:,} events were left; the services were at the "
        f"end of the log, states saved, in {outcome.drained_s:.0f} s.",
    ]
    examples = [
        f"- {kind}: {example}"
        for kind, counts in outcome.differences.items()
        for example in counts.examples
    ]
    examples += [f"- {example}" for example in outcome.judgement.examples]
    if examples or outcome.errors:
        lines += ["", *(f"- {error}" for error in outcome.errors), *examples]
    return "\n".join(lines)
