"""The `streamer` command, one file a subcommand; each loads what it needs when it runs."""

from __future__ import annotations

import typer

from streamer.cli.lazy import LazyGroup
from streamer.process.terminal import open_streams, say_lines


class _Streamer(LazyGroup):
    package = __name__
    lines = {  # noqa: RUF012 - declared by LazyGroup
        "demo": "Run everything on this machine: Kafka, Redis, a simulated ward, the service, its "
        "alerts.",
        "up": "Start a real Kafka and a real Redis on loopback and keep them until Ctrl-C.",
        "topics": "Create the topics that are missing and check the others; exit with 1 if one is "
        "wrong.",
        "run": "Run the service: step patients' states event by event, write risks and alerts.",
        "replay": "Send recorded ICU stays as live events, in the order in which they happened.",
        "simulate": "Simulate a ward: admissions, vital signs, late labs, sepsis, discharges, and "
        "the true labels.",
        "alerts": "Follow the alerts until Ctrl-C, readable or as JSON lines.",
        "patient": "Show what is known of one patient: values and ages, risk, alert, model, log "
        "position.",
        "board": "Serve the ward's board: people see the alerts and answer them.",
        "users": "Add, change, remove and list the users of the ward's board.",
        "act": "Answer the alert of a patient, and wait for what comes of it.",
        "canary": "Prove each minute, on each partition, that a deteriorating patient raises an "
        "alert.",
        "check": "Check everything that the service depends on; a bad finding names the remedy.",
        "pseudonym": "Print a patient's pseudonym in the service's log; needs the service's "
        "STREAMER_LOG_KEY.",
        "rejected": "List rejected events, and replay them into the input topic after a fix.",
    }


app = typer.Typer(
    cls=_Streamer,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""Watch ICU patients for sepsis: events come from Kafka, LSTM states live in Redis, alerts
    go to Kafka.

    Start with `streamer demo`: it needs nothing else. Then, each in its own terminal:
    `streamer up`, `streamer run`, `streamer replay FOLDER --patients 100`, `streamer alerts`.

    Research software for decision support; not a medical device.""",
)


@app.callback()
def _streamer() -> None:
    """Takes no options of its own."""


def main() -> None:
    """Runs a command; exits with 0, 1 (failed while running) or 2 (usage, configuration)."""
    open_streams()
    try:
        app()
    except Exception as error:
        from streamer.cli.failures import describe  # noqa: PLC0415 - slow, and seldom needed

        described = describe(error)
        if described is None:
            raise
        text, code = described
        say_lines(text.split("\n"), error=True)
        raise SystemExit(code) from None
