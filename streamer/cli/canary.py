"""`streamer canary`: an invented patient through the whole chain, measured."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from streamer.cli.failures import refuse
from streamer.cli.listening import listening
from streamer.process.logs import silenced
from streamer.process.signals import stop_on_signal
from streamer.process.terminal import say, say_json
from streamer.service import logs
from streamer.service.http import serving_routes
from streamer.service.pseudonyms import Pseudonyms
from streamer.service.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from threading import Event

    from streamer.adapters.kafka.canary import KafkaCanaryLog
    from streamer.canary.probes import Outcome, Step
    from streamer.canary.watch import Verdict

_BEGIN_S: Final = 20.0  # to reach Kafka and Redis, and to build the model


def canary(
    once: Annotated[
        bool, typer.Option("--once", help="One canary a partition, then the result; exit 1 if bad.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --once: print one JSON object a partition.")
    ] = False,
) -> None:
    """Prove each minute, on each partition, that a deteriorating patient raises an alert.

    An invented patient is admitted, gets worse and is discharged; the risk must be the one of the
    model in force, the alert must start and end, within ten seconds. His events carry
    `"processing": "T"`; what they cause goes to `risk.canary` and `alerts.canary`, pages nobody and
    leaves nothing behind. Outcomes: **ok**, **late**, **wrong** (another risk, another model, an
    alert that must not be), **lost** (not heard until the next one).

    Run it on another machine than the service, with the service's settings of Kafka, Redis (the
    model in force is there), topics, interval, model keys, and of unsigned models where it takes
    them. It goes on while Kafka, Redis or the service is away: that is what it finds.
    Metrics: http://127.0.0.1:8002 (STREAMER_CANARY_HTTP_PORT); rules: deploy/prometheus/rules.yml.

    Two may run, under different names (STREAMER_INSTANCE; default: host and a number).
    """
    # loads the scoring code, which the other commands start without
    from streamer.canary import bootstrap  # noqa: PLC0415
    from streamer.canary.series import Series  # noqa: PLC0415 - see above

    settings = Settings()
    refuse(bootstrap.faults(settings))
    with stop_on_signal() as stop, closing(bootstrap.log_of(settings)) as log:
        if once:
            _once(settings, log, stop, as_json=as_json)
            return
        logs.configure(settings.log_format, Pseudonyms(settings.log_key.get_secret_value()))
        series = Series()
        process = bootstrap.process_of(settings, log, series)
        host, port = settings.http_host, settings.canary_http_port
        served = serving_routes(host, port, bootstrap.routes(process, series))
        with listening(served, host, port, "STREAMER_CANARY_HTTP_PORT"):
            process.run(stop)


def _once(settings: Settings, log: KafkaCanaryLog, stop: Event, *, as_json: bool) -> None:
    """Sends one canary a partition and shows how each ended.

    Raises:
        typer.Exit: with 1 unless each is ok.
    """
    from streamer.canary import bootstrap  # noqa: PLC0415 - see `canary`
    from streamer.canary.once import Round  # noqa: PLC0415 - see `canary`
    from streamer.canary.series import Series  # noqa: PLC0415 - see `canary`

    series = Series()
    ended = Round(series.last_success)

    def heard(verdict: Verdict) -> None:
        if ended.take(verdict):
            _show(verdict.partition, verdict.outcome, verdict.why, verdict.seconds, as_json=as_json)

    process = bootstrap.process_of(settings, log, series, heard, at_once=True)
    most_s = settings.canary_seconds + _BEGIN_S
    give_up_at = time.monotonic() + most_s
    with silenced():
        process.run(stop, lambda: ended.is_complete or time.monotonic() > give_up_at)
    for partition in ended.missing:
        why = f"no verdict within {most_s:g} s: it began late or was broken off; run it again"
        _show(partition, None, why, {}, as_json=as_json)
    if not ended.verdicts:
        say("; ".join(process.reasons), error=True)
    if not ended.is_ok:
        raise typer.Exit(1)


def _show(
    partition: int,
    outcome: Outcome | None,
    why: str,
    seconds_of: Mapping[Step, float],
    *,
    as_json: bool,
) -> None:
    seconds = {str(step): round(s, 3) for step, s in seconds_of.items()}
    ended = None if outcome is None else str(outcome)
    if as_json:
        say_json({"partition": partition, "outcome": ended, "why": why or None, "seconds": seconds})
        return
    steps = ", ".join(f"{step} after {s:.2f} s" for step, s in seconds.items())
    words = "; ".join(filter(None, (why, steps)))
    say(f"partition {partition:3}  {ended or 'none':5}  {words}")
