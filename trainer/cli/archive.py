"""`trainer archive`: keeps what streams by, and makes stays of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import structlog
import typer

from streamer.cli.listening import listening
from streamer.process.audit import audited
from streamer.process.terminal import say, say_json
from streamer.service.settings import Settings
from trainer.archive.source import ArchiveSource
from trainer.errors import InputError, WrongUsage
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from trainer.archive.archive import Archive

app = typer.Typer(
    no_args_is_help=True,
    help="""Keep what streams by, and make stays of it that models are trained on.

    TRAINER_ARCHIVE names the folder, TRAINER_ARCHIVE_KEY the key of the patients' pseudonyms.

    Examples:

    `trainer archive run`

    `trainer archive fold`

    `trainer fit --data archive:/var/lib/vigil/archive --out runs/own`
    """,
)
_POLL_S: Final = 1.0
_UPKEEP_S: Final = 24 * 3600.0

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def run(
    exit_when_idle: Annotated[
        float | None,
        typer.Option(
            min=0, help="Exit after so many seconds in which all is read and no new record comes."
        ),
    ] = None,
) -> None:
    """Archive vitals, outcomes, risks, alerts and people's answers until SIGTERM; each record once.

    Several may run: they share the partitions. Kafka is reached by the streamer's settings.
    Metrics: http://127.0.0.1:8001 (TRAINER_HTTP_PORT).
    """
    settings = TrainerSettings()
    archive = _archive(settings)
    kafka = Settings()

    from streamer.adapters.kafka.log import KafkaLog  # noqa: PLC0415 - help needs no Kafka
    from streamer.adapters.kafka.options import KafkaOptions  # noqa: PLC0415
    from streamer.process.signals import stop_on_signal  # noqa: PLC0415
    from streamer.service.http import as_metrics, serving_routes  # noqa: PLC0415
    from trainer.archive.archive import READERS  # noqa: PLC0415
    from trainer.archive.series import registry_of  # noqa: PLC0415
    from trainer.archive.upkeep import tidy  # noqa: PLC0415
    from trainer.archive.writer import ArchiveRun  # noqa: PLC0415
    from trainer.registry.logs import configure  # noqa: PLC0415

    configure(settings.log_format)
    names = {
        "vitals": kafka.topic_vitals,
        "outcomes": kafka.topic_outcomes,
        "risk": kafka.topic_risk,
        "alerts": kafka.topic_alerts,
        "actions": kafka.topic_alerts,
    }
    with stop_on_signal() as stop:
        writers = {}
        for reader, spec in READERS.items():
            options = KafkaOptions(
                kafka.kafka_connection(),
                names[reader],
                f"{settings.group}-{reader}",  # members of a group must read the same topic
                transactional_id="",
                outputs=(),
                session_timeout_ms=kafka.kafka_session_timeout_ms,
            )
            writers[spec.name] = archive.writer(
                reader,
                KafkaLog(options),
                settings.archive_flush_s,
                future_limit_ms=kafka.future_limit_ms,
            )
        running = ArchiveRun(writers)
        host, port = kafka.http_host, settings.http_port
        scraped = registry_of(writers)
        served = serving_routes(host, port, {"/metrics": lambda: as_metrics(scraped)})
        with listening(served, host, port, "TRAINER_HTTP_PORT"):
            read_at = tidied_at = time.monotonic()
            while not stop.is_set():
                if running.step(_POLL_S) or not running.has_read_all:
                    read_at = time.monotonic()
                elif exit_when_idle is not None and time.monotonic() - read_at >= exit_when_idle:
                    break
                if time.monotonic() - tidied_at >= _UPKEEP_S:
                    try:
                        tidy(archive.root, settings.keep_days)
                    except OSError as error:  # a full disk; archiving waits for room by itself
                        structlog.get_logger().error("upkeep not done", detail=str(error))
                    tidied_at = time.monotonic()
            running.close()


@app.command()
def status(as_json: Json = False) -> None:
    """Show what the archive holds; exit 1 when something needs a look."""
    from trainer.archive.status import status as look  # noqa: PLC0415

    seen = look(_root(TrainerSettings()))
    if as_json:
        say_json(seen.to_json())
    else:
        for name, table in seen.tables.items():
            size = f"{table['bytes'] / 1e6:.1f} MB"
            say(f"{name}: {table['rows']} rows, {size}, version {table['version']}")
        say(f"newest record: {seen.newest_record or 'none'}")
        if seen.stays:
            say(", ".join(f"{count} {what}" for what, count in seen.stays.items()))
        for month, share in seen.labelled_share.items():
            say(f"discharged in {month}: {share:.1%} have an outcome")
        for fault in seen.faults:
            say(f"look at this: {fault}")
    if seen.faults:
        raise typer.Exit(1)


@app.command()
def fold(as_json: Json = False) -> None:
    """Make the table of stays from the events, as the streamer would have seen them."""
    from dataclasses import asdict  # noqa: PLC0415

    from trainer.archive.delta_table import Conflict, NoTable  # noqa: PLC0415
    from trainer.archive.fold import fold as fold_archive  # noqa: PLC0415

    try:
        report = fold_archive(_root(TrainerSettings()))
    except NoTable as error:
        raise InputError(f"{error}; `trainer archive run` writes it") from error
    except Conflict as error:
        raise InputError(f"another fold was faster: {error}") from error
    if as_json:
        say_json(asdict(report))
        return
    say(
        f"{report.n_stays} stays of {report.n_events} events, {report.n_open} go on, "
        f"{report.n_incomplete} miss events; version {report.stays_version}"
    )


@app.command()
def export(
    out: Annotated[Path, typer.Argument(metavar="OUT.parquet", help="File to write.")],
) -> None:
    """Write the labelled stays as a PhysioNet 2019 file."""
    from trainer.archive.cohort import read_archive  # noqa: PLC0415
    from trainer.archive.export import export as write  # noqa: PLC0415

    stays = read_archive(ArchiveSource(_root(TrainerSettings())))
    write(stays.cohort, out)
    say(f"{len(stays.cohort)} stays in {out}")


@app.command()
def erase(
    patient: Annotated[str, typer.Argument(metavar="PATIENT", help="Id as the topic has it.")],
    by: Annotated[str, typer.Option(help="Name of who asked for it.")],
    reason: Annotated[str, typer.Option(help="Reason, for the record.")],
) -> None:
    """Erase a patient from every table and version; print what else holds the patient."""
    settings = TrainerSettings()
    archive = _archive(settings)

    from trainer.archive.erase import erase as erase_patient  # noqa: PLC0415

    name = archive.names.name(patient) if archive.names.key is not None else "(plain id)"
    with audited(settings.audit_file, "erase from archive", name):
        done = erase_patient(archive, patient, by, reason)
    say(
        f"{done.n_rows} rows taken out of {done.n_rewritten} files; {done.n_deleted} files of "
        "earlier versions deleted"
    )
    say(
        "still with this patient: Kafka until its retention; Redis and the topics of stays and "
        "states until the stay expires; backups. No command of Vigil takes a patient out of these"
    )
    say("a model learned from these stays until the next retraining leaves the patient out")


@app.command()
def repair() -> None:
    """Move a log entry aside that a loss of power has torn; its records are read again."""
    from trainer.archive.repair import repair as mend  # noqa: PLC0415

    try:
        moved = mend(_root(TrainerSettings()))
    except ValueError as error:
        raise InputError(str(error)) from error
    for entry in moved:
        say(f"moved aside: {entry}")
    if not moved:
        say("nothing is torn")


@app.command()
def tidy() -> None:
    """Merge small files of past days and drop what is older than TRAINER_KEEP_DAYS.

    `archive run` does it once a day.
    """
    from trainer.archive.upkeep import tidy as tidy_up  # noqa: PLC0415

    settings = TrainerSettings()
    done = tidy_up(_root(settings), settings.keep_days)
    say(
        f"{done.n_merged} days merged, {done.n_dropped} files dropped by age, {done.n_deleted} "
        "files deleted"
    )


def _root(settings: TrainerSettings) -> Path:
    if settings.archive is None:
        raise WrongUsage(["TRAINER_ARCHIVE is missing: name the folder of the archive"])
    return settings.archive


def _archive(settings: TrainerSettings) -> Archive:
    """The archive under the key of the settings.

    Raises:
        WrongUsage: no folder, no key, or a key beside plain ids.
    """
    faults = []
    if settings.archive is None:
        faults.append("TRAINER_ARCHIVE is missing: name the folder of the archive")
    secret = settings.secret("archive_key")()
    is_plain = settings.archive_ids == "plain"
    if not secret and not is_plain:
        faults.append(
            "TRAINER_ARCHIVE_KEY is missing: the secret of the patients' pseudonyms. To keep the "
            "ids as they are, set TRAINER_ARCHIVE_IDS=plain"
        )
    if secret and is_plain:
        faults.append("TRAINER_ARCHIVE_KEY and TRAINER_ARCHIVE_IDS=plain exclude each other")
    if faults or settings.archive is None:
        raise WrongUsage(faults)

    from trainer.archive.archive import Archive  # noqa: PLC0415 - deltalake, an extra
    from trainer.archive.pseudonyms import PatientNames  # noqa: PLC0415

    return Archive(settings.archive, PatientNames(None if is_plain else secret.encode()))
