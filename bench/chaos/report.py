"""The tables of a chaos run, as Markdown."""

from __future__ import annotations

from bench import oracle
from bench.chaos.run import Outcome, Plan


def report(plan: Plan, outcome: Outcome, machine: str) -> str:
    """Writes what was done and what came of it.

    Args:
        plan: of the run.
        outcome: of the run.
        machine: which one it ran on.
    """
    kinds = outcome.by_kind
    expected = {kind: of.expected for kind, of in outcome.differences.items()}
    lines = [
        f"Seed {plan.seed}, {plan.seconds / 60:g} minutes of faults, {plan.services} services and "
        f"one that comes and goes, on {machine}.",
        "",
        "| events | risks | alerts | rejected | stays | faults | kinds | differences |",
        "|---|---|---|---|---|---|---|---|",
        f"| {outcome.events:,} | "
        + " | ".join(f"{expected.get(kind, 0):,}" for kind in oracle.KINDS)
        + f" | {kinds.total():,} | {len(kinds)} | "
        + (f"{outcome.n_differences:,}" if outcome.differences else "not compared")
        + " |",
        "",
        oracle.table(outcome.differences),
        "",
        "| fault | times |",
        "|---|---|",
        *(f"| {kind} | {times} |" for kind, times in sorted(kinds.items())),
        "",
        "| what the services went through | times |",
        "|---|---|",
        *(f"| {what} | {times:,} |" for what, times in sorted(outcome.told.items())),
        "",
        f"After the last fault the services were at the end of the log, states saved, in "
        f"{outcome.drained_s:.0f} s.",
    ]
    examples = [
        f"- {kind}: {example}"
        for kind, of in outcome.differences.items()
        for example in of.examples
    ]
    if examples or outcome.errors:
        lines += ["", *(f"- {error}" for error in outcome.errors), *examples]
    return "\n".join(lines)
