"""Plan of a run: its common beginning, and the order that its child gets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trainer.archive.source import ArchiveSource
from trainer.loop.child import Order
from trainer.loop.child_process import Limits
from trainer.loop.record import Source
from trainer.loop.stays import frozen_until
from trainer.registry.policy import PolicyInForce


@dataclass(frozen=True, slots=True)
class Plan:
    """What every run of a trainer starts from.

    Attributes:
        sources: files, folders and archives of stays; their content may change between runs.
        options: knobs, KNOB=VALUE.
        threads: of the child.
        limits: of the child's time, memory and claim on the processor.
        n_bootstrap: replicates of the intervals on a card.
    """

    sources: Sequence[str]
    options: Sequence[str] = ()
    threads: int = 1
    limits: Limits = field(default_factory=Limits)
    n_bootstrap: int = 200


def order_of(plan: Plan, policy: PolicyInForce, registry: Path, champion: str) -> Order:
    """The order of a run.

    Args:
        plan: of the trainer.
        policy: in force.
        registry: its folder.
        champion: id of the bundle in force; empty where nothing is compared.
    """
    data = policy.policy.data
    archives = [s for s in plan.sources if ArchiveSource.parse(s) is not None]
    return Order(
        sources=[Source(name=name) for name in plan.sources],
        fold=[name for name in archives if "@" not in name],
        champion=str(registry / "bundles" / champion),
        options=list(plan.options),
        threads=plan.threads,
        n_bootstrap=plan.n_bootstrap,
        mature_hours=data.mature_hours,
        newest_days=policy.policy.newest.days,
        least_septic_recalibrate=data.least_septic_recalibrate,
        least_septic_fit=data.least_septic_fit,
        limits=policy.policy.limits(),
        frozen_until_ms=frozen_until(registry) if archives else None,
        memory_gb=plan.limits.memory_gb,
        priority=plan.limits.priority,
    )
