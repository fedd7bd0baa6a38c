"""Stays as a version of this program stores them, for tests that later versions read them.

    python -m bench.stored_stays --at 32d8506 --write tests/core/stored/version_0_1.json
    python -m bench.stored_stays --own --write tests/core/stored/format_5.json

The tree of that commit is unpacked, and its own `Monitor` takes the events below. Each released
version is to have a file; `tests/core/test_stored_stays.py` reads all of them. With `--own` the
stays are those of a model with a variable beyond the 34, which readers without it leave out.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import Any

_ORIGIN_MS = 1_700_000_000_000
_MINUTE_MS = 60_000
_SICK = {"heart_rate": 135, "map": 48, "temperature": 39.6, "resp_rate": 34, "lactate": 7.5,
         "wbc": 24, "sbp": 78, "spo2": 88, "fio2": 0.7, "creatinine": 3.4}  # fmt: skip


def events() -> list[dict[str, Any]]:
    """One who is well, one who was discharged, one whose alert is on and who is treated."""
    return [
        _event("well", 0, type="admission", age=60, sex="female", ward="A", bed="1"),
        *(
            _event("well", 20 * i, values={"heart_rate": 70 + i % 9, "lactate": 1 + i % 7 / 10})
            for i in range(120)
        ),
        _event("left", 0, values={"ph": 7.3}),
        _event("left", 180, values={"sbp": 100}),
        _event("left", 300, type="discharge"),
        _event("sick", 0, type="admission", age=71, sex="male", ward="B", bed="2"),
        *(_event("sick", 60 * i, values={"heart_rate": 80, "map": 85}) for i in range(6)),
        *(_event("sick", 60 * (6 + i), values=_SICK) for i in range(14)),
        _event("sick", 400, type="medication", drug="ceftriaxone", action="start")
        | {"class": "antibiotic"},
    ]


def next_events() -> list[dict[str, Any]]:
    """An event of each patient after those."""
    return [
        _event("well", 2_410, values={"heart_rate": 90, "ph": 7.2}),
        _event("left", 320, values={"heart_rate": 90}),
        _event("sick", 1_210, values=_SICK),
    ]


def _event(patient: str, minute: float, **fields: Any) -> dict[str, Any]:
    return {"patient_id": patient, "time": _ORIGIN_MS + round(minute * _MINUTE_MS), **fields}


def stored_with_own() -> dict[str, object]:
    """The stays of this tree as a model stores them that knows a variable beyond the 34."""
    import numpy as np  # noqa: PLC0415 - of the tree that is asked

    from streamer import Monitor  # noqa: PLC0415
    from streamer.core import codec, stored_formats  # noqa: PLC0415
    from streamer.core.moved_stays import copy_stays  # noqa: PLC0415
    from streamer.core.own_variables import read_own  # noqa: PLC0415
    from streamer.core.stays import StayTable  # noqa: PLC0415
    from streamer.core.variables import N_VARIABLES, VariableTable  # noqa: PLC0415

    monitor = Monitor(risk_interval_s=60)
    monitor.update_many(events())
    table = monitor._scorer.table
    slots = np.array(list(table.slot_of.values()), np.intp)
    sodium = {"unit": "mmol/L", "low": 80, "high": 200, "reference": [136, 145]}
    wide = StayTable(table.architecture, variables=VariableTable(read_own({"sodium": sodium})))
    copied = wide.add_many(table.names(slots), 0)
    copy_stays(table, slots, wide, copied, table.fields)
    wide["last_value"][copied, N_VARIABLES] = 140
    wide["last_ms"][copied, N_VARIABLES] = _ORIGIN_MS
    model_id = "0" * 64
    return {
        "format": stored_formats.WITH_OWN,
        "model": model_id,
        "alerts": [],
        "next": {},
        "stays": {
            patient: base64.b64encode(zlib.compress(content, 9)).decode()
            for patient, content in zip(
                wide.names(copied), codec.encode(wide, copied, codec.Era(model_id)), strict=True
            )
        },
    }


def stored() -> dict[str, Any]:
    """What the `streamer` that can be imported here makes of the events."""
    import numpy as np  # noqa: PLC0415 - of the tree that is asked

    from streamer import Monitor  # noqa: PLC0415
    from streamer.core import codec  # noqa: PLC0415

    monitor = Monitor(risk_interval_s=60)
    scored = monitor.update_many(events())[0]
    table, model_id = monitor._scorer.table, monitor._model.model_id
    slots = np.array(list(table.slot_of.values()), np.intp)
    encoded = codec.encode(table, slots, codec.Era(model_id))
    contents = dict(zip(table.slot_of, encoded, strict=True))
    alerts = [m["alert_id"] for m in scored if "phase" in m]
    after = monitor.update_many(next_events())[0]
    return {
        "format": next(iter(contents.values()))[4],
        "model": model_id,
        "alerts": alerts,
        "next": {m["patient_id"]: m["risk"] for m in after if "bin" in m},
        "stays": {
            patient: base64.b64encode(zlib.compress(content, 9)).decode()
            for patient, content in contents.items()
        },
    }


def read(file: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Reads such a file: all that it says, and the stays as they are stored."""
    content: dict[str, Any] = json.loads(file.read_text())
    stays = {p: zlib.decompress(base64.b64decode(text)) for p, text in content["stays"].items()}
    return content, stays


def main() -> int:
    """Writes the file of one commit, or of this tree."""
    parser = argparse.ArgumentParser(prog="python -m bench.stored_stays", description=__doc__)
    parser.add_argument("--at", help="a commit of this clone (default: this tree)")
    parser.add_argument("--own", action="store_true", help="of a model with a variable of its own")
    parser.add_argument("--write", type=Path, required=True)
    chosen = parser.parse_args()
    if chosen.own:
        chosen.write.write_text(json.dumps(stored_with_own(), indent=1) + "\n")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(__file__).parents[1]
        if chosen.at:
            archive = subprocess.run(
                ["git", "archive", "--format=tar", chosen.at, "streamer"],
                cwd=tree, check=True, capture_output=True, timeout=60,
            ).stdout  # fmt: skip
            tree = Path(folder)
            with tarfile.open(fileobj=io.BytesIO(archive)) as unpacked:
                unpacked.extractall(tree, filter="data")
        variables = os.environ | {"PYTHONPATH": str(tree), "PYTHONSAFEPATH": "1"}
        made = subprocess.run(
            [sys.executable, __file__], env=variables, check=True, capture_output=True, timeout=120
        ).stdout
    chosen.write.write_text(json.dumps(json.loads(made), indent=1) + "\n")
    return 0


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main())
    print(json.dumps(stored()))
