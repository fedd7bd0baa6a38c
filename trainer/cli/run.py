"""`trainer run`: scheduled retraining."""

from __future__ import annotations

from typing import Annotated

import typer

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
from trainer.settings import TrainerSettings
from trainer.training.recipe import Recipe


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
            help="Set a knob as in `fit`; repeatable. Default: TRAINER_KNOBS.",
        ),
    ] = None,
    threads: Threads = None,
    registry: Folder = None,
) -> None:
    """Retrain on schedule and publish each candidate that is better than the champion.

    Each time the files are read anew and a candidate is trained in a child process of low
    priority. It is compared with the champion on patients that neither was fitted on: half of the
    test side, which serves for nothing else, so that no figure of test patients rests on them. It
    becomes champion if all gates pass: enough septic patients, utility and AUROC shown not to be
    worse, a gain that is likely (or a champion that is old), calibration, alerts. It is then
    published through Redis, and streamers load it within seconds.

    Several trainers may run: a lease lets one work at a time. SIGTERM ends a trainer and its child
    within 10 s.

    Examples:

    `trainer run --data /data/icu --cron "0 3 * * *"`

    `trainer run --data /data/icu --once --threads 2 --set seed=3`
    """
    settings, faults = TrainerSettings(), list[str]()
    paths = data_paths(data, settings, faults)
    folder = registry or settings.registry
    check_writable("--registry", folder, faults)
    if cron is not None and every is not None:
        faults.append("--cron and --every exclude each other")
    knobs = knob or settings.knobs.split()
    recipe, wrong = Recipe().changed(knobs)
    faults += [*wrong, *recipe.problems()]
    client = connect(settings.redis, faults)
    if settings.signing_key is None and not settings.unsigned_allowed():
        faults.append(
            "TRAINER_SIGNING_KEY_FILE is missing: services refuse models that nobody signed. Make "
            "a key with `trainer keys new NAME`, or set TRAINER_ALLOW_UNSIGNED_MODELS=true, and "
            "STREAMER_ALLOW_UNSIGNED_MODELS=true for the services"
        )

    from trainer.registry import schedule  # noqa: PLC0415 - APScheduler, which help does not need

    trigger = None
    try:
        interval = every or ("" if cron else settings.every)
        trigger = (
            schedule.interval_trigger(interval)
            if interval
            else schedule.cron_trigger(cron or settings.cron)
        )
    except ValueError as error:
        faults.append(str(error))
    refuse(faults)
    assert trigger is not None
    assert client is not None

    from streamer.adapters.redis.models import RedisModels  # noqa: PLC0415
    from streamer.process.signals import stop_on_signal  # noqa: PLC0415
    from trainer.registry.lease import Lease  # noqa: PLC0415
    from trainer.registry.logs import configure  # noqa: PLC0415
    from trainer.registry.retraining import Retraining  # noqa: PLC0415

    kept = open_registry(folder, settings)
    options = [word for change in knobs for word in ("--set", change)]
    options += ["--threads", str(settings.threads if threads is None else threads)]
    configure(settings.log_format)
    with stop_on_signal() as stop:
        retraining = Retraining(
            paths,
            kept,
            RedisModels(client),
            Lease(client),
            options,
            stop,
            settings.hours * 3600,
        )
        if once:
            if retraining.once().ended == "failed":
                raise typer.Exit(1)
            return
        retraining.begin()
        schedule.serve(trigger, retraining.once, stop)
