"""Configuration from the environment: every name, default and meaning of the trainer's half."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import AliasChoices, Field, SecretStr
from pydantic_settings import SettingsConfigDict

from streamer.adapters.redis.local import default_url
from streamer.process.environment import EnvironmentSettings


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
    threads: int = Field(default=0, ge=0, description="CPU threads of PyTorch; 0: its own choice")
    hours: float = Field(
        default=12, gt=0, description="hours after which a `fit` of `run` is ended, hung or not"
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="format of `run`'s log"
    )

    @property
    def redis(self) -> Callable[[], str]:
        """Reads the URL of Redis: from its file anew at each call, where it is in a file."""
        return self.secret("redis_url")

    def paths(self) -> list[Path]:
        """``data`` as paths."""
        return [Path(part) for part in self.data.split(os.pathsep) if part]
