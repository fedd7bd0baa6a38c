"""`trainer models`: the registry."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import MANIFEST
from streamer.ports.models import Champion, ModelChannel
from streamer.ports.states import StoreUnavailable
from trainer.cli.options import Folder, check_writable, refuse
from trainer.cli.redis import connect
from trainer.registry.registry import Registry
from trainer.settings import TrainerSettings

Json: TypeAlias = Annotated[bool, typer.Option("--json", help="For programs.")]
Why: TypeAlias = Annotated[str, typer.Option(help="Goes into the history.")]
Offline: TypeAlias = Annotated[
    bool, typer.Option("--no-publish", help="Change the registry alone; Redis is not asked.")
]

app = typer.Typer(
    no_args_is_help=False,
    help="""The registry: which models there are, which one is in force, and how it came so.

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
    """Lists every model with its figures on its own test patients; the newest last."""
    kept = _open(registry)
    aliases = kept.aliases()
    added = {e["model"]: e for e in reversed(kept.history()) if e["what"] == "added"}
    models: list[dict[str, Any]] = []
    for model in kept.ids():
        test = kept.load(model).manifest.get("metrics", {}).get("test", {})
        models.append(
            {
                "model": model,
                "aliases": [a for a in ("champion", "challenger") if getattr(aliases, a) == model],
                "added": added[model]["time"],
                "why": added[model]["why"],
                **{
                    name: test.get(name)
                    for name in ("utility", "utility_ci", "auroc", "auroc_ci", "n_patients")
                },
            }
        )
    if as_json:
        sys.stdout.write(json.dumps(models) + "\n")
    elif models:
        from trainer.cli.tables import models_table  # noqa: PLC0415 - rich.table is slow to load

        models_table(models)
    else:
        sys.stdout.write(f"no model in {kept.folder} yet; `trainer run` or `promote` adds one\n")


@app.command()
def show(
    model: Annotated[
        str, typer.Argument(help="Id, the beginning of one, `champion` or `challenger`.")
    ] = "champion",
    registry: Folder = None,
    as_json: Json = False,
) -> None:
    """Prints a model's card; with --json its manifest and its history."""
    kept = _open(registry)
    bundle = kept.load(model)
    if as_json:
        history = [e for e in kept.history() if e["model"] == bundle.model_id]
        found = {"manifest": bundle.manifest, "history": history}
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        sys.stdout.write(f"model {bundle.model_id}\n\n{bundle.card}")


@app.command()
def promote(
    model: Annotated[str, typer.Argument(help="As in `show`, or the folder of a bundle.")],
    registry: Folder = None,
    why: Why = "promoted by hand",
    no_publish: Offline = False,
    as_json: Json = False,
) -> None:
    """Puts a model in force: makes it champion and publishes it through Redis."""
    from streamer.bundles.build import build  # noqa: PLC0415 - the others need no network
    from trainer.registry import publishing  # noqa: PLC0415

    kept = _open(registry)
    if (Path(model) / MANIFEST).is_file():
        bundle = bundles.load(Path(model))
        build(bundle)  # what cannot score must not be published
        model = kept.add(bundle, f"given as {model}")
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
    """Puts the champion before this one in force again."""
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
        found = {"champion": model, "version": version, "before": list(kept.aliases().before)}
        sys.stdout.write(json.dumps(found) + "\n")
    elif version is None:
        sys.stdout.write(f"champion of the registry: {model}; not published\n")
    else:
        sys.stdout.write(f"in force: {model} (version {version})\n")


def _open(folder: Path | None) -> Registry:
    place, faults = folder or TrainerSettings().registry, list[str]()
    check_writable("--registry", place, faults)
    refuse(faults)
    return Registry(place)


def _channel() -> ModelChannel:
    from streamer.adapters.redis.models import RedisModels  # noqa: PLC0415

    settings, faults = TrainerSettings(), list[str]()
    client = connect(settings.redis_url, faults)
    refuse(faults)
    assert client is not None
    channel = RedisModels(client)
    try:
        channel.champion()
    except StoreUnavailable as error:
        raise StoreUnavailable(
            f"{error}. Nothing was changed; start Redis, set REDIS_URL, or change the registry "
            "alone with --no-publish: the next `trainer run` publishes it"
        ) from error
    return channel
