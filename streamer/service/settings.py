"""Settings of the `streamer` commands, from the environment: names, defaults, meanings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from streamer.adapters.redis.local import default_url, is_announced
from streamer.bundles.signatures import parse_keys
from streamer.service import faults

if TYPE_CHECKING:
    from streamer.bundles.acceptance import Trust

Port = Annotated[int, Field(ge=0, le=65_535)]


class Settings(BaseSettings):
    """Settings that the `streamer` commands read; `streamer check` prints them, secrets masked."""

    model_config = SettingsConfigDict(env_prefix="STREAMER_", extra="ignore")

    kafka_bootstrap_servers: str = Field(
        default="127.0.0.1:9092",
        validation_alias=AliasChoices("KAFKA_BOOTSTRAP_SERVERS", "kafka_bootstrap_servers"),
        description="Kafka brokers as host:port, comma separated",
    )
    redis_url: str = Field(
        default_factory=default_url,
        validation_alias=AliasChoices("REDIS_URL", "redis_url"),
        description="Redis that keeps the states and the published models",
    )
    group: str = Field(default="vigil", description="consumer group; also part of the Redis keys")
    instance: str = Field(
        default="",
        description="unique name of this process, the same after a restart; empty: host-slot",
    )
    topic_vitals: str = Field(default="vitals", description="topic of input events")
    topic_alerts: str = Field(default="alerts", description="topic of alert messages")
    topic_risk: str = Field(default="risk", description="topic of risk messages")
    topic_rejected: str = Field(default="vitals.rejected", description="topic of rejected events")
    topic_outcomes: str = Field(
        default="outcomes", description="topic of confirmed labels; not read yet"
    )
    topic_actions: str = Field(
        default="alert-actions", description="topic reserved for the ward board"
    )
    partitions: int = Field(default=8, ge=1, description="partitions of each topic that is created")
    replication: int = Field(default=1, ge=1, description="replicas of each topic that is created")
    risk_interval: float = Field(
        default=60,
        ge=0,
        description="seconds of event time between two risks of a patient; 0: every event",
    )
    forecast: bool = Field(
        default=False, description="add a forecast of vital signs to risk messages"
    )
    future_limit: float = Field(
        default=3600,
        description="seconds that an event may be ahead of its record; below 0: not checked",
    )
    rebuild_hours: float = Field(
        default=52, gt=0, description="hours of the log from which lost states are rebuilt"
    )
    max_batch: int = Field(
        default=4000, ge=1, le=20_000, description="maximum records in one transaction"
    )
    max_stays: int = Field(
        default=20_000,
        ge=0,
        description="maximum stays in memory, the others are in Redis only; 0: no limit",
    )
    http_port: Port = Field(
        default=8000, description="port of /metrics, /healthz and /readyz; 0: off"
    )
    http_host: str = Field(
        default="127.0.0.1", description="address on which the HTTP port listens"
    )
    log_format: Literal["json", "console"] = Field(
        default="json", description="format of the service's log: JSON lines, or lines for people"
    )
    log_key: SecretStr = Field(
        default=SecretStr(""),
        description="secret key of the patients' pseudonyms in the log; empty: random",
    )
    model_keys: str = Field(
        default="",
        description="public keys that published models must be signed by, NAME:BASE64, separated "
        "by commas",
    )
    allow_unsigned_models: bool | None = Field(
        default=None,
        description="whether a model may take over that no such key has signed; empty: only in the "
        "world of `streamer up` on this machine",
    )
    audit_file: Path = Field(
        default=Path(".vigil/audit.jsonl"),
        description="file of the audit lines: who replayed events, or looked up a pseudonym",
    )
    fault: str = Field(
        default="",
        description="fault injection for trials, such as POINT@N:kill; never in production",
    )
    kafka_session_timeout_ms: int = Field(
        default=15_000,
        ge=1_000,
        description="Kafka session timeout in milliseconds: a consumer silent for this long loses "
        "its partitions",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="protocol of the connections to Kafka"
    )
    kafka_sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="", description="SASL mechanism, with SASL_*"
    )
    kafka_sasl_username: str = Field(default="", description="SASL user name, with SASL_*")
    kafka_sasl_password: SecretStr = Field(
        default=SecretStr(""), description="SASL password, with SASL_*"
    )
    kafka_ssl_cafile: str = Field(
        default="", description="file of certificate authorities (PEM), with SSL and SASL_SSL"
    )

    @field_validator("fault")
    @classmethod
    def _fault_is_known(cls, text: str) -> str:
        faults.parse(text)
        return text

    @field_validator("model_keys")
    @classmethod
    def _keys_are_keys(cls, text: str) -> str:
        parse_keys(text)
        return text

    @field_validator("allow_unsigned_models", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        return None if value == "" else value

    @model_validator(mode="after")
    def _sasl_is_whole(self) -> Settings:
        if self.kafka_security_protocol.startswith("SASL") and not (
            self.kafka_sasl_mechanism
            and self.kafka_sasl_username
            and self.kafka_sasl_password.get_secret_value()
        ):
            raise ValueError(
                "STREAMER_KAFKA_SECURITY_PROTOCOL is SASL_*: set STREAMER_KAFKA_SASL_MECHANISM, "
                "STREAMER_KAFKA_SASL_USERNAME and STREAMER_KAFKA_SASL_PASSWORD, too"
            )
        return self

    @property
    def topic_replayed(self) -> str:
        """The topic of the marks: one for each rejected record that was re-entered."""
        return f"{self.topic_rejected}.replayed"

    @property
    def interval_ms(self) -> int:
        """The evaluation interval in milliseconds."""
        return round(self.risk_interval * 1000)

    @property
    def future_limit_ms(self) -> int | None:
        """Milliseconds that an event may be ahead of its record; ``None``: not checked."""
        return None if self.future_limit < 0 else round(self.future_limit * 1000)

    def trust(self) -> Trust:
        """Whose models may take over."""
        from streamer.bundles.acceptance import Trust  # noqa: PLC0415 - loads the scoring code

        unsigned = self.allow_unsigned_models
        if unsigned is None:
            unsigned = is_announced(self.redis_url)
        return Trust(parse_keys(self.model_keys), unsigned)

    def kafka_connection(self) -> dict[str, Any]:
        """Arguments of each Kafka client: brokers, security, credentials."""
        connection: dict[str, Any] = {
            "bootstrap_servers": self.kafka_bootstrap_servers.split(","),
            "security_protocol": self.kafka_security_protocol,
        }
        if self.kafka_sasl_mechanism:
            connection |= {
                "sasl_mechanism": self.kafka_sasl_mechanism,
                "sasl_plain_username": self.kafka_sasl_username,
                "sasl_plain_password": self.kafka_sasl_password.get_secret_value(),
            }
        if self.kafka_ssl_cafile:
            connection["ssl_cafile"] = self.kafka_ssl_cafile
        return connection
