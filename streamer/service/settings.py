"""Configuration from the environment: every name, default and meaning of the streaming half."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from streamer.adapters.redis.local import default_url
from streamer.service import faults

Port = Annotated[int, Field(ge=0, le=65_535)]


class Settings(BaseSettings):
    """What `streamer` commands read from the environment; `streamer check` prints it."""

    model_config = SettingsConfigDict(env_prefix="STREAMER_", extra="ignore")

    kafka_bootstrap_servers: str = Field(
        default="127.0.0.1:9092",
        validation_alias=AliasChoices("KAFKA_BOOTSTRAP_SERVERS", "kafka_bootstrap_servers"),
        description="brokers, host:port, comma separated",
    )
    redis_url: str = Field(
        default_factory=default_url,
        validation_alias=AliasChoices("REDIS_URL", "redis_url"),
        description="where the states live",
    )
    group: str = Field(default="vigil", description="consumer group; its name is in its Redis keys")
    instance: str = Field(
        default="", description="stable unique name of this process; default: host-slot"
    )
    topic_vitals: str = Field(default="vitals", description="input events")
    topic_alerts: str = Field(default="alerts", description="alert messages")
    topic_risk: str = Field(default="risk", description="risk messages")
    topic_rejected: str = Field(default="vitals.rejected", description="refused events")
    topic_outcomes: str = Field(default="outcomes", description="confirmed labels; not read yet")
    topic_actions: str = Field(default="alert-actions", description="reserved for the ward board")
    partitions: int = Field(
        default=8, ge=1, description="partitions of the topics that are created"
    )
    replication: int = Field(default=1, ge=1, description="replicas of the topics that are created")
    risk_interval: float = Field(
        default=60, ge=0, description="seconds of event time; 0: every event"
    )
    forecast: bool = Field(
        default=False, description="whether risk messages also foretell vital signs"
    )
    future_limit: float = Field(
        default=3600, description="seconds an event may be ahead of its record; below 0: no check"
    )
    rebuild_hours: float = Field(
        default=52, gt=0, description="how far back lost states are rebuilt from the log"
    )
    max_batch: int = Field(
        default=4000, ge=1, le=20_000, description="most records in one transaction"
    )
    max_stays: int = Field(
        default=20_000, ge=0, description="most stays in memory, the others in Redis alone; 0: all"
    )
    http_port: Port = Field(default=8000, description="/metrics, /healthz, /readyz; 0: off")
    http_host: str = Field(default="127.0.0.1", description="address that the HTTP port listens on")
    log_format: Literal["json", "console"] = Field(
        default="json", description="of the service's log"
    )
    log_key: SecretStr = Field(
        default=SecretStr(""),
        description="secret behind the pseudonyms of patients in the log; empty: random",
    )
    fault: str = Field(
        default="", description="for trials: POINT@N:kill ends the process there; never set it"
    )
    kafka_session_timeout_ms: int = Field(
        default=15_000, ge=1_000, description="until a member is dead"
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="how to speak to Kafka"
    )
    kafka_sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="", description="with SASL_*"
    )
    kafka_sasl_username: str = Field(default="", description="with SASL_*")
    kafka_sasl_password: SecretStr = Field(default=SecretStr(""), description="with SASL_*")
    kafka_ssl_cafile: str = Field(default="", description="with *SSL: certificate authorities, PEM")

    @field_validator("fault")
    @classmethod
    def _fault_is_known(cls, text: str) -> str:
        faults.parse(text)
        return text

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
        """Marks of the rejected records that were re-entered; it belongs to the rejected topic."""
        return f"{self.topic_rejected}.replayed"

    @property
    def interval_ms(self) -> int:
        """The evaluation interval in milliseconds."""
        return round(self.risk_interval * 1000)

    @property
    def future_limit_ms(self) -> int | None:
        """How far ahead of its record an event may be; ``None``: not checked."""
        return None if self.future_limit < 0 else round(self.future_limit * 1000)

    def kafka_connection(self) -> dict[str, Any]:
        """What every Kafka client is given."""
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
