from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import pytest
import structlog
from redis import Redis
from rich.console import Console

from streamer.adapters.redis.models import RedisModels
from streamer.bundles import bundle as bundles
from streamer.bundles.bundle import SHIPPED
from streamer.local import LocalStack
from streamer.ports.models import Champion
from tests.support.small_models import random_bundle
from tests.support.synthetic_cohort import learnable_file
from tests.trainer.metrics.test_report import CONTRACT
from trainer import cli
from trainer.progress import Reporter

QUICK = ["--set", "hidden=8", "--set", "batch_stays=16", "--epochs", "2", "--bootstrap", "5"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return learnable_file(tmp_path_factory.mktemp("data"))


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """`run` writes its log to the standard error of its test, which is closed after it."""
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("DATA", "CRON", "EVERY", "KNOBS", "THREADS", "LOG_FORMAT"):
        monkeypatch.delenv(f"TRAINER_{name}", raising=False)
    monkeypatch.setenv("TRAINER_REGISTRY", str(tmp_path / "registry"))


class Ran:
    """What a command left: exit code and both outputs."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err


@pytest.fixture
def trainer(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*words: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["trainer", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        code = ended.value.code
        return Ran(code if isinstance(code, int) else 0, *capsys.readouterr())

    return run


@pytest.fixture
def redis_url(stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A database of its own: the commands have no namespace, other tests follow the champion."""
    url = urlsplit(stack.redis)._replace(path="/8").geturl()
    monkeypatch.setenv("REDIS_URL", url)
    yield url
    with Redis.from_url(urlsplit(stack.redis_admin)._replace(path="/8").geturl()) as client:
        client.flushdb()


def test_help_comes_without_loading_what_computes() -> None:
    program = (
        "import sys; from trainer.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "sys.exit(sum(name in sys.modules for name in ('torch', 'matplotlib', 'apscheduler')))"
    )
    for words in ((), ("fit",), ("run",), ("models",), ("models", "promote")):
        done = subprocess.run(
            [sys.executable, "-c", program, *words, "--help"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "Usage" in done.stdout


def test_a_letter_that_the_terminal_lacks_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    monkeypatch.setattr(sys, "stderr", None)  # closed
    monkeypatch.setattr(cli, "app", lambda: print("38.8 °C", file=sys.stdout, flush=True))
    cli.main()
    assert written.getvalue() == b"38.8 ?C\n"
    assert sys.stderr is not None


def test_a_part_of_the_extra_that_is_missing_is_named(
    trainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(cli, "app", lambda: missing("matplotlib.axes"))
    told = trainer("fit")
    assert (told.code, "Traceback" in told.err) == (2, False)
    assert "matplotlib is not installed: pip install 'vigil-icu[train]'" in told.err
    monkeypatch.setattr(cli, "app", lambda: missing("trainer.nothing"))
    with pytest.raises(ModuleNotFoundError):
        cli.main()


@pytest.mark.parametrize("command", ["fit", "tune", "evaluate", "recalibrate", "run", "models"])
def test_help_gives_examples(trainer: Any, command: str) -> None:
    told = trainer(command, "--help")
    assert told.code == 0
    assert "Examples" in told.out
    assert f"trainer {command}" in told.out.replace("Usage", "", 1)


def test_fit_says_every_fault_at_once_and_touches_nothing(trainer: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    words = ["--data", "/none/1", "--data", "/none/2", "--out", file, "--against", tmp_path]
    told = trainer("fit", *words, "--set", "size=3", "--epochs", "0", "--set", "dropout=2")
    assert told.code == 2
    for fault in ("/none/1", "/none/2", f"--out {file}", f"--against {tmp_path}", "knob size"):
        assert fault in told.err
    assert "epochs must be" in told.err
    assert "dropout must be" in told.err
    assert "Traceback" not in told.err
    assert sorted(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (["fit", "--out", "/tmp/x"], "--data is missing"),
        (["fit", "--data", "."], "--out"),
        (["evaluate", "--data", "/none"], "/none"),
        (["evaluate", "--data", ".", "--model", "/none"], "--model /none"),
        (["evaluate", "--data", ".", "--predictions", "/none/p.parquet"], "/none"),
        (["evaluate", "--data", ".", "--split", "half"], "half"),
        (["evaluate", "--data", ".", "--bootstrap", "x"], "bootstrap"),
        (["recalibrate", "--data", ".", "--out", "/tmp/x", "--model", "/none"], "--model /none"),
        (["recalibrate", "--data", ".", "--out", "/tmp/x", "--alert-budget", "0"], "above 0"),
        (["tune", "--data", ".", "--out", "/tmp/x", "--trials", "0"], "trials"),
        (["tune", "--data", ".", "--out", "/tmp/x", "--knob", "salt"], "salt cannot be searched"),
        (["tune", "--data", ".", "--out", "/tmp/x", "--set", "encoder=33"], "leaves out 33"),
        (["tune", "--out", "/tmp/x"], "--data is missing"),
        (["run", "--data", ".", "--cron", "soon"], "soon"),
        (["run", "--data", ".", "--every", "soon"], "soon"),
        (["run", "--data", ".", "--every", "6h", "--cron", "* * * * *"], "exclude"),
        (["run", "--data", ".", "--set", "size=3"], "size"),
        (["run", "--data", ".", "--registry", "/proc/1/x"], "/proc/1/x"),
        (["models", "show", "nobody"], "nobody"),
        (["models", "rollback", "--no-publish"], "no champion before"),
        (["models", "promote", "nobody", "--no-publish"], "nobody"),
        (["nothing"], "nothing"),
    ],
)
def test_wrong_usage_ends_with_2_and_says_why(trainer: Any, words: list[str], fault: str) -> None:
    told = trainer(*words)
    assert told.code == 2, told.err
    assert fault in told.err
    assert "Traceback" not in told.err


def test_wrong_settings_end_with_2_and_are_named(
    trainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRAINER_THREADS", "many")
    monkeypatch.setenv("TRAINER_LOG_FORMAT", "xml")
    told = trainer("evaluate")
    assert told.code == 2
    assert "TRAINER_THREADS" in told.err
    assert "TRAINER_LOG_FORMAT" in told.err


def test_a_redis_url_that_is_none_is_wrong_usage(
    trainer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "localhost")
    told = trainer("run", "--data", ".", "--cron", "x")
    assert told.code == 2
    assert "REDIS_URL" in told.err
    assert "'x' is no cron" in told.err


def test_data_that_cannot_be_read_is_named(trainer: Any, tmp_path: Path) -> None:
    file = tmp_path / "p1.psv"
    file.write_text("HR|Temp\n80|37\n")
    told = trainer("evaluate", "--data", file)
    assert told.code == 2
    assert "missing column" in told.err


def test_fit_then_evaluate_then_compare(trainer: Any, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    fitted = trainer("fit", "--data", data, "--out", out, "--threads", "1", *QUICK)
    assert fitted.code == 0, fitted.err
    model = bundles.load(out / "bundle").model_id
    assert model in fitted.out
    assert "epoch 2" in fitted.err  # how far it is goes to standard error, as plain lines
    file = tmp_path / "p.parquet"
    told = trainer(
        "evaluate", "--model", out / "bundle", "--data", data, "--json", "--predictions", file
    )
    figures = json.loads(told.out)
    assert set(figures) >= CONTRACT | {"by_site"}
    assert figures["model"] == model
    assert "warning" in told.err
    table: Any = pq.read_table(file)
    assert table.num_rows == figures["n_rows"]
    words = ["--against", out / "bundle", "--seed", "1", "--threads", "1", *QUICK]
    again = trainer("fit", "--data", data, "--out", tmp_path / "2", *words)
    assert again.code == 0, again.err
    comparison = json.loads((tmp_path / "2" / "comparison.json").read_text())
    assert comparison["champion"] == model
    assert f"better than {model}" in again.out


def test_a_bundle_is_calibrated_for_a_site_and_promoted(trainer: Any, tmp_path: Path) -> None:
    site = learnable_file(tmp_path, 200)
    words = ["recalibrate", "--data", site, "--out", tmp_path, "--bootstrap", "5"]
    told = trainer(*words)
    assert told.code == 0, told.err
    assert f"before: {bundles.load(SHIPPED).model_id}" in told.out
    assert "expected calibration error" in told.out
    assert "…" not in told.out
    said = json.loads(trainer(*words, "--json").out)
    assert said["model"] in told.out
    promoted = trainer("models", "promote", tmp_path / "bundle", "--no-publish", "--json")
    assert json.loads(promoted.out)["champion"] == said["model"]


def test_a_search_ends_with_a_line_for_fit(trainer: Any, data: Path, tmp_path: Path) -> None:
    words = ["--set", "epochs=1", "--set", "teacher_share=0", "--knob", "hidden", "--threads", "1"]
    told = trainer("tune", "--data", data, "--out", tmp_path, "--trials", "2", *words)
    assert told.code == 0, told.err
    assert "trial 1: score" in told.err
    assert "the recipe to be beaten" in told.out
    best = json.loads((tmp_path / "best.json").read_text())
    assert told.out.endswith(f"\ntrainer fit {best['set']}\n")
    assert "--set epochs=1" in best["set"]


def test_a_terminal_shows_a_bar_and_anything_else_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.progress.LINE_EVERY_S", 0.0)
    said = {}
    for terminal in (True, False):
        content = io.StringIO()
        reporter = Reporter(Console(file=content, force_terminal=terminal, highlight=False))
        with reporter.follow("reading") as progress:
            progress(1, 4)
            reporter.say("a line [between]")
            progress(4, 4)
        said[terminal] = content.getvalue()
    assert "4/4" in said[True]
    assert "\x1b[" in said[True]
    assert "reading: 4 of 4" in said[False]
    assert "\x1b[" not in said[False]
    assert all("a line [between]" in text for text in said.values())


def test_evaluate_takes_the_shipped_bundle_and_shows_a_table(trainer: Any, data: Path) -> None:
    told = trainer("evaluate", "--data", data, "--bootstrap", "5")
    assert told.code == 0, told.err
    assert bundles.load(SHIPPED).model_id in told.out
    for words in ("hospital A", "hospital B", "AUROC, hours", "normalised utility"):
        assert words in told.out
    assert "…" not in told.out  # nothing was cut off


def test_data_may_come_from_the_environment(
    trainer: Any, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    more = learnable_file(tmp_path, 24, first_id=500)
    monkeypatch.setenv("TRAINER_DATA", f"{data}:{more}")
    told = trainer("evaluate", "--json")
    assert json.loads(told.out)["n_patients"] == 104


def test_the_registry_is_listed_shown_and_changed(
    trainer: Any, tmp_path: Path, redis_url: str
) -> None:
    assert "no model" in trainer("models").out
    ours = random_bundle(3)
    ours.save(tmp_path / "ours")
    shipped = bundles.load(SHIPPED).model_id
    told = trainer("models", "promote", tmp_path / "ours", "--why", "a test", "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out)["champion"] == ours.model_id
    with Redis.from_url(redis_url) as client:
        channel = RedisModels(client)
        assert channel.champion() == Champion(ours.model_id, 2)  # 1 was the shipped one
        assert trainer("models", "rollback").out == f"in force: {shipped} (version 3)\n"
        assert channel.champion() == Champion(shipped, 3)
    models = json.loads(trainer("models", "list", "--json").out)
    assert {each["model"]: each["aliases"] for each in models} == {
        ours.model_id: [],
        shipped: ["champion"],
    }
    assert ours.model_id in trainer("models", "list").out
    assert "Model card" in trainer("models", "show").out
    shown = json.loads(trainer("models", "show", ours.model_id[:6], "--json").out)
    assert shown["manifest"]["model"] == ours.model_id
    assert [entry["what"] for entry in shown["history"]] == ["added", "promoted", "published"]


def test_without_redis_nothing_is_changed_unless_asked_for(
    trainer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    random_bundle().save(tmp_path / "ours")
    told = trainer("models", "promote", tmp_path / "ours")
    assert told.code == 1
    assert "--no-publish" in told.err
    assert json.loads(trainer("models", "list", "--json").out)[0]["aliases"] == []
    told = trainer("models", "promote", tmp_path / "ours", "--no-publish", "--json")
    assert json.loads(told.out) == {
        "champion": random_bundle().model_id,
        "version": None,
        "before": [],
    }


def test_a_bundle_that_cannot_score_is_not_promoted(trainer: Any, tmp_path: Path) -> None:
    random_bundle().save(tmp_path / "broken")
    (tmp_path / "broken" / "weights.safetensors").write_bytes(b"")
    told = trainer("models", "promote", tmp_path / "broken", "--no-publish")
    assert told.code == 2
    assert "cannot be used" in told.err
    assert "no model" in trainer("models").out


def test_run_once_retrains_and_says_how_it_ended(trainer: Any, data: Path, redis_url: str) -> None:
    words = ["--once", "--data", data, "--threads", "1", "--set", "hidden=8", "--set", "epochs=1"]
    told = trainer("run", *words)
    assert told.code == 0, told.err
    (line,) = [json.loads(text) for text in told.err.splitlines() if "retraining ended" in text]
    assert line["ended"] in ("promoted", "kept")
    assert line["champion"] == bundles.load(SHIPPED).model_id
    with Redis.from_url(redis_url) as client:
        assert RedisModels(client).champion() is not None


def test_run_once_that_fails_ends_with_1(trainer: Any, tmp_path: Path, redis_url: str) -> None:
    few = learnable_file(tmp_path, 5)
    told = trainer("run", "--once", "--data", few)
    assert told.code == 1
    assert "5 stays in all" in told.err
    assert redis_url.endswith("/8")
