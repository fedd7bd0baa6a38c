"""`trainer runs`, `trainer policy`, `trainer freeze`, `trainer thaw`: the records and the rules."""

from __future__ import annotations

import json
from textwrap import shorten
from typing import Annotated, Final

import typer

from streamer.process.audit import audited
from streamer.process.terminal import say, say_json
from trainer.cli.options import Folder, registry_of
from trainer.loop.record import Records, RunRecord
from trainer.settings import TrainerSettings

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
By = Annotated[str, typer.Option(help="Name of the person who decides.")]

_MOST_WHY: Final = 100  # characters; `runs show` has all of it

app = typer.Typer(
    no_args_is_help=True,
    help="""Show what runs of `trainer run` saw, made and decided.

    Examples:

    `trainer runs list`

    `trainer runs show 20261127T030000-17`

    `trainer runs repeat 20261127T030000-17`
    """,
)
policy_app = typer.Typer(
    help="""Show or accept the policy: `policy.toml` in the registry.

    Examples:

    `trainer policy`

    `trainer policy accept --by "Dr. A. Weber"`
    """,
)


@app.command("list")
def list_runs(registry: Folder = None, as_json: Json = False) -> None:
    """List all runs, oldest first."""
    records = Records(registry_of(registry).folder).all()
    if as_json:
        say_json([record.model_dump(mode="json") for record in records])
        return
    for record in records:
        made = ", ".join(c.kind for c in record.candidates if c.model) or "nothing made"
        why = shorten(record.why, _MOST_WHY, placeholder=" ...")
        say(f"{record.id}  {record.ended or record.state:9}  {record.reason}: {made}; {why}")
    if not records:
        say("no run yet; `trainer run --once` makes one")


@app.command()
def show(
    run: Annotated[str, typer.Argument(metavar="ID", help="Id of a run, or its beginning.")],
    registry: Folder = None,
    as_json: Json = False,
) -> None:
    """Show one run: stays, candidates, gates, decision."""
    record = Records(registry_of(registry).folder).find(run)
    if as_json:
        say_json(record.model_dump(mode="json"))
        return
    for line in _lines(record):
        say(line)


@app.command()
def repeat(
    run: Annotated[str, typer.Argument(metavar="ID", help="Id of a run, or its beginning.")],
    registry: Folder = None,
) -> None:
    """Make the candidates of a run again from the same versions; exit 1 when they differ."""
    from streamer.process.signals import stop_on_signal  # noqa: PLC0415
    from trainer.loop.child_process import Limits  # noqa: PLC0415
    from trainer.loop.repeat import repeat as repeat_run  # noqa: PLC0415

    settings, kept = TrainerSettings(), registry_of(registry)
    earlier = Records(kept.folder).find(run)
    limits = Limits(settings.hours, settings.memory_gb, settings.priority)
    with stop_on_signal() as stop:
        record = repeat_run(earlier, kept, limits, stop)
    say(f"{record.id}: {record.why}")
    if not record.reproducible or record.ended != "kept":
        raise typer.Exit(1)


@policy_app.callback(invoke_without_command=True)
def _show_by_default(
    context: typer.Context, registry: Folder = None, as_json: Json = False
) -> None:
    if context.invoked_subcommand is None:
        show_policy(registry, as_json)


@policy_app.command("show")
def show_policy(registry: Folder = None, as_json: Json = False) -> None:
    """Show the policy in force, as a `policy.toml`, and whether the file was changed since."""
    from trainer.registry.policy import in_force  # noqa: PLC0415

    now = in_force(registry_of(registry).folder)
    content = now.policy.model_dump(mode="json")
    if as_json:
        say_json({"sha256": now.sha256, "by": now.by, "why": now.unaccepted, "policy": content})
        return
    accepted = f"# in force: policy {now.sha256[:12]}, accepted by {now.by}"
    say(accepted if now.by else "# in force: the defaults; no policy was accepted here")
    if now.unaccepted:
        say(f"# nothing is promoted: {now.unaccepted}")
    say(f"mode = {json.dumps(content.pop('mode'))}")
    for section, values in content.items():
        say("")
        say(f"[{section}]")
        for name, value in values.items():
            say(f"{name} = {json.dumps(value)}")


@policy_app.command()
def accept(by: By, registry: Folder = None) -> None:
    """Put `policy.toml` in force."""
    from trainer.registry.policy import accept as accept_policy  # noqa: PLC0415

    kept = registry_of(registry)
    with audited(kept.audit_file, "accept policy", by) as action:
        accepted = accept_policy(kept.folder, by)
        action.target = f"{accepted.sha256}, by {by}"
    say(f"in force: {accepted.sha256[:12]}, mode {accepted.policy.mode}, accepted by {by}")


def freeze(
    by: By,
    reason: Annotated[str, typer.Option(help="Reason, for the record.")],
    registry: Folder = None,
) -> None:
    """Stop retraining: no run begins until `trainer thaw`.

    Models can still be promoted and rolled back by hand.

    Example: `trainer freeze --by "Dr. A. Weber" --reason "new monitors on ward 3"`
    """
    from trainer.registry.freeze import freeze as stop  # noqa: PLC0415

    kept = registry_of(registry)
    with audited(kept.audit_file, "freeze", f"by {by}: {reason}"):
        say(str(stop(kept.folder, by, reason)))


def thaw(by: By, registry: Folder = None) -> None:
    """Let retraining go on after `trainer freeze`.

    Example: `trainer thaw --by "Dr. A. Weber"`
    """
    from trainer.registry.freeze import thaw as go_on  # noqa: PLC0415

    kept = registry_of(registry)
    with audited(kept.audit_file, "thaw", f"by {by}"):
        say(f"retraining goes on; it was {go_on(kept.folder)}")


def _lines(record: RunRecord) -> list[str]:
    lines = [
        f"run {record.id}: {record.ended or record.state}",
        f"why: {record.why}",
        f"reason: {record.reason}; began {record.started}, took {record.seconds:g} s, "
        f"{record.peak_memory_mb:g} MB; policy {record.policy[:12]}; lease {record.fence}",
    ]
    if (facts := record.data) is not None:
        newest = (
            "none apart" if facts.newest is None else f"{facts.newest[0]}, {facts.newest[1]} septic"
        )
        lines += [
            "stays: " + ", ".join(source.name for source in facts.sources),
            f"{facts.n_stays} labelled stays, {facts.n_septic} septic; {facts.learned_from} septic "
            f"to learn from; {facts.deciding[0]} decide, {facts.deciding[1]} septic; newest weeks: "
            f"{newest}; the deciding ones were asked {record.looks} times before in a quarter",
        ]
        if facts.counts:
            lines.append("archive: " + ", ".join(f"{n} {what}" for what, n in facts.counts.items()))
    for made in record.candidates:
        if not made.model:
            lines.append(f"{made.kind}: not made; {made.why}")
            continue
        lines.append(f"{made.kind}: {made.model[:12]}, {made.seconds:g} s")
        if made.utility is not None:
            lines.append(
                f"  utility {made.utility:.3f}, the champion's {made.champion_utility:.3f}; AUROC "
                f"{made.auroc:.3f}, the champion's {made.champion_auroc:.3f}"
            )
        elif made.why:
            lines.append(f"  not judged: {made.why}")
        lines += [f"  {gate.verdict:12} {gate.name}: {gate.text}" for gate in made.gates]
    if record.by:
        lines.append(
            f"decided by {record.by}" + f", version {record.version}" * bool(record.version)
        )
    if not record.reproducible:
        lines.append("not reproducible any more")
    return lines
