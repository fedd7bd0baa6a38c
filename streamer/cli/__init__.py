"""The `streamer` command, one file a subcommand; each loads what it needs when it runs."""

from __future__ import annotations

import sys

import typer
from pydantic import ValidationError

from streamer.cli import (
    alerts,
    check,
    demo,
    patient,
    pseudonym,
    rejected,
    replay,
    run,
    simulate,
    topics,
    up,
)
from streamer.datasets.cohort import DataError
from streamer.local import LocalStackError
from streamer.ports.log import LogUnavailable
from streamer.ports.states import StoreUnavailable
from streamer.sim.scenario import ScenarioError

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Watch ICU patients for sepsis: events come from Kafka, LSTM states live in Redis, alerts
    go to Kafka.

    Start with `streamer demo`: it needs nothing else. Then, each in its own terminal:
    `streamer up`, `streamer run`, `streamer replay FOLDER --patients 100`, `streamer alerts`.

    Research software for decision support; not a medical device.""",
)
for command in (
    demo.demo,
    up.up,
    topics.topics,
    run.run,
    replay.replay,
    simulate.simulate,
    alerts.alerts,
    patient.patient,
    check.check,
    pseudonym.pseudonym,
):
    app.command()(command)
app.add_typer(rejected.app, name="rejected")


def main() -> None:
    """Runs a command; exits with 0, 1 (failed while running) or 2 (usage, configuration)."""
    try:
        app()
    except ValidationError as error:
        print("The configuration is wrong:", file=sys.stderr)
        for fault in error.errors(include_url=False):
            field = ".".join(str(part) for part in fault["loc"])
            name = field if field.isupper() else f"STREAMER_{field.upper()}"
            print(f"  {name if field else ''} {fault['msg']}", file=sys.stderr)
        sys.exit(2)
    except (DataError, ScenarioError) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(2)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "pyarrow":
            raise
        needed = "reading recordings needs pyarrow: pip install 'vigil-icu[replay]'"
        print(f"Error: {needed}", file=sys.stderr)
        sys.exit(2)
    except (LocalStackError, LogUnavailable, StoreUnavailable) as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(1)
