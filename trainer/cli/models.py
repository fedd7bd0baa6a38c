"""`trainer models`: lists, shows, promotes and rolls back the models of the registry."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import MANIFEST
from streamer.ports.models import Champion, ModelChannel
from streamer.ports.states import StoreUnavailable
from streamer.process.terminal import say, say_json, say_lines
from trainer.cli.options import Folder, check_writable, refuse
from trainer.cli.redis import connect
from trainer.registry.registry import Registry
from trainer.settings import TrainerSettings

if TYPE_CHECKING:
    from trainer.cli.tables import ModelRow

Json: TypeAlias = Annotated[
    bool, typer.Option("--json", help="Print one JSON object or list instead of text.")
]
Why: TypeAlias = Annotated[str, typer.Option(help="Reason for the history.")]
Offline: TypeAlias = Annotated[
    bool, typer.Option("--no-publish", help="Change only the registry, without Redis.")
]

app = typer.Typer(
    no_args_is_help=False,
    help="""List and change the models of the registry: champion, challenger and history.

    Examples:

    `trainer models list`

    `trainer models promote runs/first/bundle --why "trained on our own patients"`

    `trainer models rollback --why "too many alerts on ward 3"`
    """,
)


@app.callback(invoke_without_command=True)
def _list_by_default(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        list_models()


@app.command("list")
def list_models(registry: Folder = None, as_json: Json = False) -> None:
    """List every model with its figures on its own test patients; the newest last."""
    kept = _open(registry)
    aliases = kept.aliases()
    added = {e["model"]: e for e in reversed(kept.history()) if e["what"] == "added"}
    models: list[ModelRow] = []
    for model in kept.ids():
        test = kept.load(model).manifest.get("metrics", {}).get("test", {})
        models.append(
            {
                "model": model,
                "aliases": [a for a in ("champion", "challenger") if getattr(aliases, a) == model],
                "added": added[model]["time"],
                "why": added[model]["why"],
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
    kept = _open(registry)
    bundle = kept.load(model)
    if as_json:
        history = [e for e in kept.history() if e["model"] == bundle.model_id]
        say_json({"manifest": bundle.manifest, "history": history})
    else:
        say_lines((f"model {bundle.model_id}", "", *bundle.card.rstrip("\n").split("\n")))


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="Model as in `show`, or the folder of a bundle.")],
    registry: Folder = None,
    why: Why = "promoted by hand",
    no_publish: Offline = False,
    as_json: Json = False,
) -> None:
    """Put a model in force: make it champion and publish it through Redis."""
    from streamer.bundles.build import build  # noqa: PLC0415 - the others need no network
    from trainer.registry import publishing  # noqa: PLC0415

    kept = _open(registry)
    if (Path(model) / MANIFEST).is_file():
        bundle = bundles.load(Path(model))
        build(bundle)  # a bundle that cannot score must not be published
        model = kept.add(bundle, f"added from {model}")
    model = kept.find(model)
    _change(
        kept,
        no_publish,
        as_json,
        lambda: kept.promote(model, why),
        lambda channel: publishing.promote(kept, channel, model, why),
    )


@app.command()
def rollback(
    registry: Folder = None,
    why: Why = "rolled back by hand",
    no_publish: Offline = False,
    as_json: Json = False,
) -> None:
    """Put the previous champion in force again."""
    from trainer.registry import publishing  # noqa: PLC0415

    kept = _open(registry)
    _change(
        kept,
        no_publish,
        as_json,
        lambda: kept.rollback(why),
        lambda channel: publishing.rollback(kept, channel, why),
    )


def _change(
    kept: Registry,
    no_publish: bool,
    as_json: bool,
    alone: Callable[[], str],
    published: Callable[[ModelChannel], Champion],
) -> None:
    champion: Champion | None = None
    if no_publish:
        model = alone()
    else:
        champion = published(_channel())
        model = champion.model_id
    version = champion.version if champion else None
    if as_json:
        before = list(kept.aliases().before)
        content = {"champion": model, "version": version, "before": before}
        say_json(content)
    elif version is None:
        say(f"champion of the registry: {model}; not published")
    else:
        say(f"in force: {model} (version {version})")


def _open(folder: Path | None) -> Registry:
    path, faults = folder or TrainerSettings().registry, list[str]()
    check_writable("--registry", path, faults)
    refuse(faults)
    return Registry(path)


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
