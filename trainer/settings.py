"""Configuration from the environment: every name, default and meaning of the trainer's half."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from pydantic import AliasChoices, Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from streamer.adapters.redis.local import default_url, is_announced
from streamer.bundles.signatures import parse_keys


class TrainerSettings(BaseSettings):
    """Environment variables of the `trainer` commands; an option of the command overrides them."""

    model_config = SettingsConfigDict(env_prefix="TRAINER_", extra="ignore")

    data: str = Field(
        default="", description="files and folders to train on, separated as PATH is (`:`)"
    )
    registry: Path = Field(
        default=Path(".vigil/registry"), description="folder of the model registry"
    )
    redis_url: str = Field(
        default_factory=default_url,
        validation_alias=AliasChoices("REDIS_URL", "redis_url"),
        description="Redis that models are published to",
    )
    cron: str = Field(default="0 3 * * *", description="schedule of `run`: five cron fields, UTC")
    every: str = Field(default="", description="instead of cron: an interval such as 6h, 90m, 30s")
    knobs: str = Field(
        default="", description="knobs of each retraining, KNOB=VALUE, separated by spaces"
    )
    threads: int = Field(default=0, ge=0, description="CPU threads of PyTorch; 0: its own choice")
    log_format: Literal["json", "console"] = Field(
        default="json", description="format of `run`'s log"
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
        description="whether models may be published that no such key has signed; empty: only in "
        "the world of `streamer up` on this machine",
    )
    patients_key_file: Path | None = Field(
        default=Path(".vigil/patients.key"),
        description="secret key of the list of training patients in a bundle; `fit` makes it; "
        "empty: the ids are public, no key",
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

    @field_validator(
        "allow_unsigned_models", "signing_key_file", "patients_key_file", mode="before"
    )
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value

    def unsigned_allowed(self) -> bool:
        """Whether models that nobody signed may be published."""
        allowed = self.allow_unsigned_models
        return is_announced(self.redis_url) if allowed is None else allowed

    def paths(self) -> list[Path]:
        """``data`` as paths."""
        return [Path(part) for part in self.data.split(os.pathsep) if part]
