"""`trainer run`: scheduled retraining."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trainer.archive.source import SCHEME, ArchiveSource
from trainer.cli.options import (
    Data,
    Folder,
    Threads,
    check_writable,
    data_paths,
    open_registry,
    refuse,
)
from trainer.cli.redis import connect
from trainer.loop.knobs import run_recipe
from trainer.settings import TrainerSettings


def run(
    data: Data = None,
    cron: Annotated[
        str | None,
        typer.Option(
            help="Retrain at these times: five cron fields, UTC. "
            "Default: TRAINER_CRON, or 0 3 * * *."
        ),
    ] = None,
    every: Annotated[
        str | None,
        typer.Option(
            help="Retrain at this interval instead, such as 6h, 90m or 30s. Default: TRAINER_EVERY."
        ),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Retrain once, now, and exit.")] = False,
    knob: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KNOB=VALUE",
            help="Set a knob as in `fit`, but no `fractions`; repeatable. Default: TRAINER_KNOBS.",
        ),
    ] = None,
    threads: Threads = None,
    registry: Folder = None,
) -> None:
    """Make candidates on schedule, judge them, and ask a person, or promote by policy.

    The stays are those of TRAINER_ARCHIVE, folded anew, and those of --data beside it. A child
    process of low priority makes what they are enough for: the champion recalibrated, the champion
    fitted on from its weights, a fit anew. Each is compared with the champion on a deciding side of
    patients that serve for nothing else. Every gate must be open (`trainer policy`). Then a
    named person promotes (`trainer models promote`), or the run does where the policy says so.

    Runs are of sepsis, which is what an archive's labels say. For a task of your own fit by hand or
    from cron, `trainer fit --task FILE`, and promote the bundle (`trainer models promote FOLDER`).

    Every run leaves a record (`trainer runs`). Several trainers may run: a lease lets one work at
    a time. SIGTERM ends a trainer and its child within 10 s.

    Examples:

    `trainer run --data /data/icu --cron "0 3 * * *"`

    `trainer run --data /data/icu --once --threads 2 --set seed=3`
    """
    settings, faults = TrainerSettings(), list[str]()
    sources = run_sources(data, settings, faults)
    folder = registry or settings.registry
    check_writable("--registry", folder, faults)
    if cron is not None and every is not None:
        faults.append("--cron and --every exclude each other")
    knobs = knob or settings.knobs.split()
    faults += run_recipe(knobs, sources)[1]
    client = connect(settings.redis, faults)
    if settings.signing_key is None and not settings.unsigned_allowed():
        faults.append(
            "TRAINER_SIGNING_KEY_FILE is missing: services refuse models that nobody signed. Make "
            "a key with `trainer keys new NAME`, or set TRAINER_ALLOW_UNSIGNED_MODELS=true, and "
            "STREAMER_ALLOW_UNSIGNED_MODELS=true for the services"
        )

    from trainer.loop import schedule  # noqa: PLC0415 - APScheduler, which help does not need
    from trainer.registry.policy import check  # noqa: PLC0415

    faults += check(folder)
    trigger = None
    interval = every or ("" if cron else settings.every)
    named = ("--every", "TRAINER_EVERY") if interval else ("--cron", "TRAINER_CRON")
    try:
        trigger = (
            schedule.interval_trigger(interval)
            if interval
            else schedule.cron_trigger(cron or settings.cron)
        )
    except ValueError as error:
        faults.append(f"{named[0] if every or cron else named[1]}: {error}")
    refuse(faults)
    assert trigger is not None
    assert client is not None

    from streamer.adapters.redis.models import RedisModels  # noqa: PLC0415
    from streamer.process.signals import stop_on_signal  # noqa: PLC0415
    from trainer.loop.child_process import Limits, default_threads  # noqa: PLC0415
    from trainer.loop.plan import Plan  # noqa: PLC0415
    from trainer.loop.runs import Retraining  # noqa: PLC0415
    from trainer.loop.service import Service  # noqa: PLC0415
    from trainer.registry.lease import Lease  # noqa: PLC0415
    from trainer.registry.logs import configure  # noqa: PLC0415

    plan = Plan(
        sources,
        tuple(knobs),
        (settings.threads if threads is None else threads) or default_threads(),
        Limits(settings.hours, settings.memory_gb, settings.priority),
    )
    configure(settings.log_format)
    with stop_on_signal() as stop:
        retraining = Retraining(
            plan, open_registry(folder, settings), RedisModels(client), Lease(client), stop
        )
        if once:
            if retraining.once().ended == "failed":
                raise typer.Exit(1)
            return
        Service(retraining, trigger, settings.after_stays).serve(stop)


def run_sources(data: list[Path] | None, settings: TrainerSettings, faults: list[str]) -> list[str]:
    """The stays of runs: --data or TRAINER_DATA, and TRAINER_ARCHIVE beside them."""
    own = f"{SCHEME}{settings.archive}" if settings.archive is not None else None
    if own is not None and not data and not settings.data:
        return [own]
    sources = [str(path) for path in data_paths(data, settings, faults)]
    is_named = any(ArchiveSource.parse(source) is not None for source in sources)
    return sources if own is None or is_named else [*sources, own]
