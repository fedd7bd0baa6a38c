"""`trainer export`: one step of a model as an ONNX file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from streamer.bundles.bundle import SHIPPED
from streamer.process.terminal import say
from trainer.cli.options import Model, check_bundle, refuse


def export(
    out: Annotated[Path, typer.Option(metavar="FILE.onnx", help="Write this file.")],
    model: Model = SHIPPED,
) -> None:
    """Export one step of a model as ONNX: features, h, c to risks, h, c.

    Scaling and calibration are inside. The features of an hour are those of docs/model.md,
    section 3; their names are in the file's metadata.

    Example:

    `trainer export --model runs/first/bundle --out step.onnx`
    """
    faults = list[str]()
    check_bundle("--model", model, faults)
    if not out.parent.is_dir():
        faults.append(f"--out {out}: there is no folder {out.parent}")
    refuse(faults)

    from streamer.bundles import build  # noqa: PLC0415
    from streamer.bundles import bundle as bundles  # noqa: PLC0415
    from trainer.atomic import write_atomically  # noqa: PLC0415
    from trainer.scoring.onnx_step import to_onnx  # noqa: PLC0415

    bundle = bundles.load(model)
    content = to_onnx(build.build(bundle))
    with write_atomically(out) as file:
        file.write(content)
    say(f"model {bundle.shown_id}, one step, {len(content):,} bytes: {out}")
