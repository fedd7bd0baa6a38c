from __future__ import annotations

import os
from pathlib import Path
from typing import ClassVar

import pytest
from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import SettingsConfigDict
from structlog.testing import capture_logs

from streamer.process.environment import EnvironmentSettings, did_you_mean, fault_lines

CANARY = "c4nary"


class Settings(EnvironmentSettings):
    model_config = SettingsConfigDict(env_prefix="WARD_")
    shared: ClassVar[dict[str, str]] = {}

    beds: int = Field(default=8, ge=1)
    name: str = "icu"
    note: str = ""
    topic: str = Field(default="vitals", pattern=r"^[a-z.]*[a-z][a-z.]*$")
    quiet: bool = False
    http_port: int = 8000
    door_code: SecretStr = SecretStr("")


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("WARD_")]:
        monkeypatch.delenv(name)


def faults(monkeypatch: pytest.MonkeyPatch, **environment: str) -> list[str]:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError) as error:
        Settings()
    assert CANARY not in str(error.value) + repr(error.value) + str(error.value.errors())
    return fault_lines(error.value)


def test_all_faults_come_at_once_and_name_their_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = faults(
        monkeypatch,
        WARD_BEDS="many",
        WARD_NAME='"icu"',
        WARD_NOTES="x",
        WARD_DOOR_CODE=f"'{CANARY}'",
    )
    assert lines == [
        "WARD_DOOR_CODE: has quotes around it, which an env file keeps: remove them; if it belongs "
        "to the secret, use WARD_DOOR_CODE_FILE",
        "WARD_NAME: has quotes around it, which an env file keeps: remove them",
        "WARD_NOTES: is not a setting; did you mean WARD_NOTE?",
        "WARD_BEDS: must be a valid integer, not 'many'",
    ]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("WARD_TOPIC", "no such!", "has characters that are not allowed in it: ' ' '!'"),
        ("WARD_TOPIC", "..", "is no name"),
        ("WARD_QUIET", "yup", "must be true or false"),
        ("WARD_BEDS", "0", "must be greater than or equal to 1"),
    ],
)
def test_a_fault_is_said_in_words_of_ours(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    assert faults(monkeypatch, **{name: value}) == [f"{name}: {message}, not {value!r}"]


@pytest.mark.parametrize("value", [" icu", "icu\t", "icu\r", "a\nb", "\x1b[2J"])
def test_blanks_and_control_characters_are_seen(
    monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    (line,) = faults(monkeypatch, WARD_NAME=value)
    assert line.startswith("WARD_NAME: has blanks")


def test_an_empty_value_is_a_fault_unless_empty_is_the_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = faults(monkeypatch, WARD_BEDS="", WARD_NAME="", WARD_NOTE="", WARD_DOOR_CODE="")
    assert lines == [
        f"{name}: is empty: unset it, or give it a value" for name in ("WARD_BEDS", "WARD_NAME")
    ]


def test_names_that_kubernetes_sets_for_a_service_are_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "WARD_SERVICE_HOST": "10.0.0.1",
        "WARD_SERVICE_PORT": "80",
        "WARD_SERVICE_PORT_HTTP": "80",
        "WARD_PORT": "tcp://10.0.0.1:80",
        "WARD_PORT_80_TCP": "tcp://10.0.0.1:80",
        "WARD_PORT_80_TCP_ADDR": "10.0.0.1",
        "WARD_BOARD_SERVICE_HOST": "10.0.0.2",
    }.items():
        monkeypatch.setenv(name, value)
    assert Settings().beds == 8
    (line,) = faults(monkeypatch, WARD_PORT="80")
    assert line.startswith("WARD_PORT: is not a setting")


def test_a_secret_comes_from_a_file_and_is_read_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "code"
    file.write_text(f"{CANARY} \n")
    monkeypatch.setenv("WARD_DOOR_CODE_FILE", str(file))
    settings = Settings()
    code = settings.secret("door_code")
    assert code() == settings.door_code.get_secret_value() == f"{CANARY} "
    assert CANARY not in repr(settings) + str(settings)
    file.write_text("changed\r\n")
    assert code() == "changed"


def test_a_lasting_secret_outlives_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "code"
    file.write_text(CANARY)
    monkeypatch.setenv("WARD_DOOR_CODE_FILE", str(file))
    code = Settings().lasting_secret("door_code")
    with capture_logs() as logs:
        for content in (b"", b"\xff", b"\n"):
            file.write_bytes(content)
            assert code() == CANARY
        file.unlink()
        assert code() == CANARY
        file.write_text("changed")
        assert code() == "changed"
        file.unlink()
        assert code() == "changed"
    assert [(each["file"], each["reason"]) for each in logs] == [
        ("WARD_DOOR_CODE_FILE", "is empty"),
        ("WARD_DOOR_CODE_FILE", "No such file or directory"),
    ], "once for each time that it was bad"
    monkeypatch.delenv("WARD_DOOR_CODE_FILE")
    assert Settings().lasting_secret("door_code")() == ""


def test_a_secret_without_a_file_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WARD_DOOR_CODE", "1234")
    assert Settings().secret("door_code")() == "1234"
    assert Settings(door_code=SecretStr("5678")).secret("door_code")() == "5678"


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "No such file"), (b"", "is empty"), (b"\n", "is empty"), (b"\xff", "not UTF-8")],
)
def test_a_file_that_holds_no_secret_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, message: str
) -> None:
    file = tmp_path / "code"
    if content is not None:
        file.write_bytes(content)
    (line,) = faults(monkeypatch, WARD_DOOR_CODE_FILE=str(file))
    assert line.startswith("WARD_DOOR_CODE_FILE: ")
    assert message in line


def test_a_secret_has_one_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "code"
    file.write_text(CANARY)
    (line,) = faults(monkeypatch, WARD_DOOR_CODE_FILE=str(file), WARD_DOOR_CODE="x")
    assert line == "WARD_DOOR_CODE_FILE: is set, and so is WARD_DOOR_CODE: unset one of them"


def test_only_secrets_come_from_files(monkeypatch: pytest.MonkeyPatch) -> None:
    (line,) = faults(monkeypatch, WARD_NAME_FILE="/x")
    assert line == "WARD_NAME_FILE: only secrets are read from a file; set WARD_NAME"


def test_a_name_that_is_like_none_has_no_hint() -> None:
    assert did_you_mean("WARD_COLOUR_OF_DOOR", ["WARD_BEDS"]) == ""


def test_a_service_of_kubernetes_whose_name_makes_a_setting_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WARD_HTTP_PORT", "tcp://10.0.0.7:80")
    assert Settings().http_port == 8000
    assert faults(monkeypatch, WARD_HTTP_PORT="tcp") == [
        "WARD_HTTP_PORT: must be a valid integer, not 'tcp'"
    ]


def test_the_file_of_a_secret_is_judged_in_lower_case_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (line,) = faults(monkeypatch, ward_door_code_file=str(tmp_path / "missing"))
    assert line.startswith("WARD_DOOR_CODE_FILE: ")
    (tmp_path / "missing").write_text(CANARY)
    assert Settings().secret("door_code")() == CANARY
