"""Configuration from the environment: every name, default and meaning of the trainer's half."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Final, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from streamer.adapters.redis.local import default_url, is_announced
from streamer.bundles.signatures import parse_keys
from streamer.process.environment import EnvironmentSettings

# The colon of `archive:FOLDER` separates nothing.
_SEPARATOR: Final = re.compile(rf"(?<!\barchive){re.escape(os.pathsep)}")


class TrainerSettings(EnvironmentSettings):
    """Environment variables of the `trainer` commands; an option of the command overrides them."""

    model_config = SettingsConfigDict(env_prefix="TRAINER_")
    shared: ClassVar[Mapping[str, str]] = {"redis_url": "REDIS_URL"}

    data: str = Field(
        default="", description="files and folders to train on, separated as PATH is (`:`)"
    )
    registry: Path = Field(
        default=Path(".vigil/registry"), description="folder of the model registry"
    )
    redis_url: SecretStr = Field(
        default_factory=default_url,
        validate_default=True,
        validation_alias=AliasChoices("REDIS_URL", "redis_url"),
        description="Redis that models are published to",
    )
    cron: str = Field(default="0 3 * * *", description="schedule of `run`: five cron fields, UTC")
    every: str = Field(default="", description="instead of cron: an interval such as 6h, 90m, 30s")
    knobs: str = Field(
        default="", description="knobs of each retraining, KNOB=VALUE, separated by spaces"
    )
    threads: int = Field(
        default=0,
        ge=0,
        description="CPU threads of PyTorch; 0: its own choice, for `run` half of the cores",
    )
    after_stays: int = Field(
        default=0,
        ge=0,
        description="a run of `run` is also due after so many newly mature labelled stays; 0: none",
    )
    hours: float = Field(
        default=12,
        gt=0,
        le=8_760,
        description="hours after which the child of a run is ended, hung or not",
    )
    memory_gb: float = Field(
        default=12,
        gt=0,
        le=4096,
        description="GB of memory for data that the child of a run may take",
    )
    priority: Literal["leftover", "low", "normal"] = Field(
        default="leftover",
        description="`leftover`: the child of a run gets what the processor has left, and waits on "
        "a host without idle time; `low`: a tenth of a busy processor as well; `normal`: as much "
        "as any other program",
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="format of `run`'s log"
    )

    archive: Path | None = Field(
        default=None, description="folder of the archive that `archive run` keeps"
    )
    archive_key: SecretStr = Field(
        default=SecretStr(""),
        description="secret key of the patients' pseudonyms in the archive",
    )
    archive_ids: Literal["pseudonyms", "plain"] = Field(
        default="pseudonyms", description="`plain`: patient ids stand in the archive as they are"
    )
    archive_flush_s: float = Field(
        default=30, ge=0, le=3600, description="seconds after which the archive writes a batch"
    )
    group: str = Field(
        default="vigil-archive",
        pattern=r"^[^\s{}]+$",
        max_length=200,
        description="prefix of the consumer groups of `archive run`",
    )
    keep_days: int = Field(
        default=730, ge=1, le=36_500, description="days that the archive keeps events"
    )

    http_port: int = Field(
        default=8001,
        ge=0,
        le=65_535,
        description="port of the /metrics of `archive run`; 0: off",
    )

    model_keys: str = Field(
        default="",
        description="public keys of other trainers whose models are taken over, NAME:BASE64, "
        "separated by commas",
    )
    signing_key_file: Path | None = Field(
        default=None, description="private key that `run` and `models sign` sign with (PEM)"
    )
    keys: Path = Field(
        default=Path(".vigil/keys"), description="folder of the keys that `keys new` makes"
    )
    allow_unsigned_models: bool | None = Field(
        default=None,
        description="whether models may be published that no such key has signed; unset: only in "
        "the world of `streamer up` on this machine",
    )
    patients_key_file: Path | None = Field(
        default=Path(".vigil/patients.key"),
        description="secret key of the list of training patients in a bundle; `fit` makes it; "
        "`none`: the ids are public, no key",
    )
    audit_file: Path = Field(
        default=Path(".vigil/audit.jsonl"),
        description="file of the audit lines: who promoted, rolled back, signed",
    )

    @field_validator("model_keys")
    @classmethod
    def _keys_are_keys(cls, text: str) -> str:
        parse_keys(text)
        return text

    @field_validator("patients_key_file", mode="before")
    @classmethod
    def _none_is_none(cls, value: object) -> object:
        return None if value == "none" else value

    @property
    def signing_key(self) -> Path | None:
        """The file of the signing key; ``None`` without one, also where the file is empty.

        A container mounts something in any case: `/dev/null` where there is no key.
        """
        file = self.signing_key_file
        is_empty = file is not None and file.exists() and not file.stat().st_size
        return None if is_empty else file

    def unsigned_allowed(self) -> bool:
        """Whether models that nobody signed may be published."""
        allowed = self.allow_unsigned_models
        return is_announced(self.redis_url.get_secret_value()) if allowed is None else allowed

    @property
    def redis(self) -> Callable[[], str]:
        """Reads the URL of Redis: from its file anew at each call, where it is in a file."""
        return self.secret("redis_url")

    def paths(self) -> list[Path]:
        """``data`` as paths."""
        return [Path(part) for part in _SEPARATOR.split(self.data) if part]
