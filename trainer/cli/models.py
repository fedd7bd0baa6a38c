"""`trainer models`: the models of the registry, listed, signed, verified and put in force."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from streamer.bundles import bundle as bundles
from streamer.bundles.acceptance import Trust, accept, signer
from streamer.bundles.bundle import MANIFEST, Bundle, BundleError, short
from streamer.ports.models import Champion, ModelChannel
from streamer.ports.states import StoreUnavailable
from streamer.process.audit import audited, failure_audited
from streamer.process.terminal import say, say_json, say_lines
from trainer.cli.options import Folder, refuse, registry_of
from trainer.cli.redis import connect
from trainer.registry.registry import Registry
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from trainer.cli.tables import ModelRow

Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON object or list instead of text.")
]
Why: TypeAlias = Annotated[str, typer.Option("--reason", "--why", help="Reason for the history.")]
By: TypeAlias = Annotated[
    str, typer.Option(help="Name of the person who decides. Default: the user of this machine.")
]
Offline: TypeAlias = Annotated[
    bool, typer.Option("--no-publish", help="Change only the registry, without Redis.")
]

app = typer.Typer(
    no_args_is_help=False,
    help="""List and change the models of the registry: champion, challenger and history.

    Examples:

    `trainer models list`

    `trainer models promote challenger --by "Dr. A. Weber" --reason "read the run, all gates pass"`

    `trainer models sign runs/first/bundle`

    `trainer models verify`

    `trainer models rollback --reason "too many alerts on ward 3"`
    """,
)


@app.callback(invoke_without_command=True)
def _list_by_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models()


@app.command("list")
def list_models(registry: Folder = None, as_json: Json = False) -> None:
    """List every model with its figures on its own test patients; the newest last."""
    kept = registry_of(registry)
    aliases = kept.aliases()
    models: list[ModelRow] = []
    for model in kept.ids():
        added = next((e for e in kept.history_of(model) if e["what"] == "added"), None)
        try:
            test = kept.load(model).manifest.get("metrics", {}).get("test", {})
        except BundleError as error:
            say(str(error), error=True)
            test = {}
        models.append(
            {
                "model": model,
                "aliases": [a for a in ("champion", "challenger") if getattr(aliases, a) == model],
                "added": added["time"] if added else "",
                "why": added["why"] if added else "",
                "utility": test.get("utility"),
                "utility_ci": test.get("utility_ci"),
                "auroc": test.get("auroc"),
                "auroc_ci": test.get("auroc_ci"),
                "n_patients": test.get("n_patients"),
            }
        )
    if as_json:
        say_json(models)
    elif models:
        from trainer.cli.tables import models_table  # noqa: PLC0415 - rich.table is slow to load

        models_table(models)
    else:
        say(f"no model in {kept.folder} yet; `trainer run` or `trainer models promote` adds one")


@app.command()
def show(
    model: Annotated[
        str, typer.Argument(help="Model id or its beginning, `champion` or `challenger`.")
    ] = "champion",
    registry: Folder = None,
    as_json: Json = False,
) -> None:
    """Print a model's card; with --json its manifest and its history."""
    kept = registry_of(registry)
    bundle = kept.load(model)
    if as_json:
        history = kept.history_of(bundle.model_id)
        say_json({"manifest": bundle.manifest, "history": history})
    else:
        say_lines((f"model {bundle.shown_id}", "", *bundle.card.rstrip("\n").split("\n")))


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="Model as in `show`, or the folder of a bundle.")],
    registry: Folder = None,
    by: By = "",
    why: Why = "promoted by hand",
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also one whose gates are not all open, or that was rolled back."
        ),
    ] = False,
    no_publish: Offline = False,
    as_json: Json = False,
) -> None:
    """Put a model in force: make it champion and publish it through Redis.

    A candidate of a run must have passed every gate, and a model that was rolled back stays in
    quarantine, unless --force says otherwise; that is on record, with the name and the reason.
    """
    from trainer.loop.promoting import note_promoted, refuse_closed  # noqa: PLC0415
    from trainer.registry import publishing  # noqa: PLC0415 - the others need no network

    kept = registry_of(registry)
    person = by or getpass.getuser()
    why = f"{why} (by {person}{', forced' if force else ''})"
    with failure_audited(kept.audit_file, "promote", model) as action:
        channel = None if no_publish else _channel()  # before anything is changed
        if (Path(model) / MANIFEST).is_file():
            model = publishing.accept_folder(kept, Path(model))
        action.target = model = kept.find(model)
        kept.accept(model)
        if not force:
            refuse_closed(kept, model)
        _change(
            kept,
            channel,
            as_json,
            lambda: kept.promote(model, why, force=force),
            lambda channel: publishing.promote(kept, channel, model, why, force=force),
        )
        note_promoted(kept, model, person, why)


@app.command()
def rollback(
    registry: Folder = None,
    by: By = "",
    why: Why = "rolled back by hand",
    no_publish: Offline = False,
    as_json: Json = False,
) -> None:
    """Put the previous champion in force again; the one before goes into quarantine."""
    from trainer.registry import publishing  # noqa: PLC0415

    kept = registry_of(registry)
    why = f"{why} (by {by or getpass.getuser()})"
    before = kept.aliases().champion or "the shipped bundle"
    with failure_audited(kept.audit_file, "rollback", before):
        _change(
            kept,
            None if no_publish else _channel(),
            as_json,
            lambda: kept.rollback(why),
            lambda channel: publishing.rollback(kept, channel, why),
        )


@app.command()
def sign(
    model: Annotated[str, typer.Argument(help="Model as in `show`, or the folder of a bundle.")],
    key: Annotated[
        Path | None,
        typer.Option(help="File of the private key. Default: TRAINER_SIGNING_KEY_FILE."),
    ] = None,
    registry: Folder = None,
) -> None:
    """Sign a model, after it was tried; one of an earlier version gets known inputs first."""
    from trainer.registry import keys as signing  # noqa: PLC0415

    kept = registry_of(registry)
    own = signing.load(key) if key is not None else kept.key
    if own is None:
        refuse(["--key is missing: name the file of a key, or set TRAINER_SIGNING_KEY_FILE"])
    assert own is not None
    folder = Path(model)
    if (folder / MANIFEST).is_file():
        with audited(kept.audit_file, "sign", model) as action:
            bundle = own.sign(bundles.load(folder))
            action.target = bundle.model_id
            accept(bundle, Trust((own.public,)))
            signing.save_signed(bundle, folder)
        signed = bundle.model_id
    else:
        signed = kept.sign(model, own)
    say(f"signed: {short(signed)} with the key {own.public}")


@app.command()
def verify(
    model: Annotated[
        str | None,
        typer.Argument(
            help="Model as in `show`, or the folder of a bundle. Default: all, and the history."
        ),
    ] = None,
    registry: Folder = None,
) -> None:
    """Check who signed models, that they are sound, and that the history was not changed.

    Exits with 1 when a service would refuse one of them, or the history was changed.
    """
    kept = registry_of(registry)
    faults = 0
    folder = Path(model or "")
    named: list[tuple[str, Callable[[], Bundle]]]
    if model is not None and (folder / MANIFEST).is_file():
        named = [(model, lambda: bundles.load(folder))]
    else:
        ids = kept.ids() if model is None else [kept.find(model)]
        named = [(short(one), partial(kept.load, one)) for one in ids]
    for name, load in named:
        try:
            bundle = load()
            accept(bundle, kept.trust)
            say(f"ok       {name}  {signer(bundle, kept.trust)}")
        except BundleError as error:
            faults += 1
            say(f"refused  {name}  {error}")
    if model is None:
        for fault in kept.history_faults():
            faults += 1
            say(f"history  {fault}")
        say(f"history  {len(kept.history())} lines, {kept.history_head()}")
    if faults:
        raise typer.Exit(1)


def _change(
    kept: Registry,
    channel: ModelChannel | None,
    as_json: bool,
    alone: Callable[[], str],
    published: Callable[[ModelChannel], Champion],
) -> None:
    champion: Champion | None = None
    if channel is None:
        model = alone()
    else:
        before = kept.aliases().champion
        try:
            champion = published(channel)
        except StoreUnavailable as error:
            after = kept.aliases().champion
            changed = (
                "The registry is as before"
                if after == before
                else (
                    f"The registry's champion is {short(after or '')} now, but may not be in "
                    "force: promote it again when Redis answers, or the next `trainer run` will"
                )
            )
            raise StoreUnavailable(f"{error}. {changed}") from error
        model = champion.model_id
    version = champion.version if champion else None
    if as_json:
        earlier = list(kept.aliases().before)
        content = {"champion": model, "version": version, "before": earlier}
        say_json(content)
    elif version is None:
        say(f"champion of the registry: {short(model)}; not published")
    else:
        say(f"in force: {short(model)} (version {version})")


def _channel() -> ModelChannel:
    from streamer.adapters.redis.models import RedisModels  # noqa: PLC0415

    settings, faults = TrainerSettings(), list[str]()
    client = connect(settings.redis, faults)
    refuse(faults)
    assert client is not None
    channel = RedisModels(client)
    try:
        channel.champion()
    except StoreUnavailable as error:
        raise StoreUnavailable(
            f"{error}. Nothing was changed; start Redis, set REDIS_URL, or change only the "
            "registry with --no-publish: the next `trainer run` publishes it"
        ) from error
    return channel
