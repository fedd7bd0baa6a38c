"""Settings of the `streamer` commands, from the environment: names, defaults, meanings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import AliasChoices, Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from streamer.adapters.kafka import access
from streamer.adapters.kafka.access import KafkaAccess
from streamer.adapters.redis import url as redis_urls
from streamer.adapters.redis.local import default_url, is_announced
from streamer.adapters.redis.url import RedisUrl
from streamer.adapters.tls import TlsFiles
from streamer.bundles.signatures import parse_keys
from streamer.core import stored_formats
from streamer.process.environment import Fault
from streamer.service import faults
from streamer.service.board_settings import BoardSettings, Port
from streamer.service.canary_settings import CanarySettings
from streamer.service.topic_name import TopicName

if TYPE_CHECKING:
    from streamer.bundles.acceptance import Trust
    from streamer.core.responses import ResponsePolicy

# A group is a part of Redis keys and of transactional ids.
Name = Annotated[str, Field(pattern=r"^[^\s{}]+$", max_length=200)]
Finite = Annotated[float, Field(allow_inf_nan=False)]

_TOPICS: Final = (
    "topic_vitals",
    "topic_alerts",
    "topic_risk",
    "topic_stays",
    "topic_rejected",
    "topic_states",
    "topic_outcomes",
    "topic_risk_canary",
    "topic_alerts_canary",
)


class Settings(CanarySettings, BoardSettings):
    """Settings that the `streamer` commands read; `streamer check` prints them, secrets masked."""

    model_config = SettingsConfigDict(env_prefix="STREAMER_")
    shared: ClassVar[Mapping[str, str]] = {
        "kafka_bootstrap_servers": "KAFKA_BOOTSTRAP_SERVERS",
        "redis_url": "REDIS_URL",
    }

    kafka_bootstrap_servers: str = Field(
        default="127.0.0.1:9092",
        validation_alias=AliasChoices("KAFKA_BOOTSTRAP_SERVERS", "kafka_bootstrap_servers"),
        description="Kafka brokers as host:port, comma separated",
    )
    redis_url: SecretStr = Field(
        default_factory=default_url,
        validate_default=True,
        validation_alias=AliasChoices("REDIS_URL", "redis_url"),
        description="Redis that keeps the states and the published models; also "
        "`redis+sentinel://` and `redis+cluster://`",
    )
    group: Name = Field(default="vigil", description="consumer group; also part of the Redis keys")
    instance: str = Field(
        default="",
        pattern=r"^\S*$",
        max_length=200,
        description="unique name of this process, the same after a restart; empty: host-slot",
    )
    topic_vitals: TopicName = Field(default="vitals", description="topic of input events")
    topic_alerts: TopicName = Field(default="alerts", description="topic of alert messages")
    topic_risk: TopicName = Field(default="risk", description="topic of risk messages")
    topic_stays: TopicName = Field(
        default="stays", description="topic of where each patient is and how the alert stands"
    )
    topic_rejected: TopicName = Field(
        default="vitals.rejected", description="topic of rejected events"
    )
    topic_states: TopicName = Field(
        default="states",
        description="compacted topic of the stored stays, from which a lost Redis is restored",
    )
    topic_outcomes: TopicName = Field(default="outcomes", description="topic of confirmed labels")
    action_key: SecretStr = Field(
        default=SecretStr(""),
        description="secret key of the signature of people's actions; empty: none is asked for",
    )
    respond_high: Finite = Field(
        default=600, gt=0, le=86_400, description="seconds to respond to a high alert"
    )
    respond_medium: Finite = Field(
        default=1800, gt=0, le=86_400, description="seconds to respond to a medium alert"
    )
    ack_expires_high: Finite = Field(
        default=3600,
        gt=0,
        le=86_400,
        description="seconds after which an acknowledged high alert that is still on comes back",
    )
    snooze_max: Finite = Field(
        default=7200, gt=0, le=86_400, description="seconds that an alert can be snoozed"
    )
    snooze_max_high: Finite = Field(
        default=1800, gt=0, le=86_400, description="seconds that a high alert can be snoozed"
    )
    pause_max: Finite = Field(
        default=43_200, gt=0, le=604_800, description="seconds that a patient can be paused"
    )
    partitions: int = Field(
        default=8, ge=1, le=10_000, description="partitions of each topic that is created"
    )
    replication: int = Field(
        default=1, ge=1, le=100, description="replicas of each topic that is created"
    )
    risk_interval: Finite = Field(
        default=60,
        ge=0,
        le=86_400,
        description="seconds of event time between two risks of a patient; 0: every event",
    )
    forecast: bool = Field(
        default=False, description="add a forecast of vital signs to risk messages"
    )
    future_limit: Finite = Field(
        default=3600,
        le=366 * 86_400,
        description="seconds that an event may be ahead of its record; below 0: not checked",
    )
    max_batch: int = Field(
        default=8000, ge=1, le=20_000, description="maximum records in one transaction"
    )
    max_stays: int = Field(
        default=20_000,
        ge=0,
        description="maximum stays in memory, the others are in Redis only; 0: no limit",
    )
    max_patients_a_day: int = Field(
        default=0,
        ge=0,
        description="maximum patients of a partition on one day of the log (UTC), events of "
        "further new ones are rejected; the same for all services of a group; 0: no limit",
    )
    save_seconds: Finite = Field(
        default=10,
        ge=0,
        le=60,
        description="seconds after which changed states are saved in Redis: after a crash so much "
        "is replayed, silently; 0: with each batch",
    )
    states_seconds: Finite = Field(
        default=600,
        ge=0,
        le=86_400,
        description="seconds within which a changed stay goes to the topic of states: after a loss "
        "of Redis so much of the log is replayed, silently; 0: no topic of states, and lost states "
        "are rebuilt from the log",
    )
    state_format: int = Field(
        default=stored_formats.NEWEST,
        ge=stored_formats.OLDEST_WRITTEN,
        le=stored_formats.NEWEST,
        description="format in which stays are stored; the one before while services of two "
        "versions run, so that the older ones can read it (docs/operations.md)",
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
        description="whether a model may take over that no such key has signed; unset: only in the "
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
    require_tls: bool = Field(
        default=False,
        description="refuse to run with a weak connection off this machine: plain text, no "
        "password, an unverified certificate",
    )
    # The least that brokers allow by default: the partitions of a service that died stand still for
    # so long. A longer one than `max_poll_interval_ms` is refused by the client.
    kafka_session_timeout_ms: int = Field(
        default=6_000,
        ge=1_000,
        le=300_000,
        description="Kafka session timeout in milliseconds: a consumer silent for this long loses "
        "its partitions",
    )
    kafka_security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", description="protocol of the connections to Kafka"
    )
    kafka_sasl_mechanism: Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER"] = (
        Field(default="", description="SASL mechanism, with SASL_*")
    )
    kafka_sasl_username: str = Field(default="", description="SASL user name, with SASL_*")
    kafka_sasl_password: SecretStr = Field(
        default=SecretStr(""), description="SASL password, with SASL_*"
    )
    kafka_oauth_token_file: str = Field(
        default="", description="file with the token of OAUTHBEARER, read again at each connection"
    )
    kafka_oauth_url: str = Field(
        default="", description="token endpoint of OAUTHBEARER (client credentials), https"
    )
    kafka_oauth_client_id: str = Field(default="", description="client id at the token endpoint")
    kafka_oauth_client_secret: SecretStr = Field(
        default=SecretStr(""), description="client secret at the token endpoint"
    )
    kafka_oauth_scope: str = Field(default="", description="scope asked of the token endpoint")
    kafka_ssl_cafile: str = Field(
        default="", description="file of certificate authorities (PEM), with SSL and SASL_SSL"
    )
    kafka_ssl_certfile: str = Field(
        default="", description="file of the client's certificate and chain (PEM), with *SSL"
    )
    kafka_ssl_keyfile: str = Field(
        default="", description="file of its private key; empty: in the file of the certificate"
    )
    kafka_ssl_password: SecretStr = Field(
        default=SecretStr(""), description="password of the private key"
    )

    @field_validator("risk_interval", "future_limit")
    @classmethod
    def _is_a_millisecond(cls, seconds: float) -> float:
        if 0 < seconds < 0.001:  # it would be rounded to 0, which means something else
            raise ValueError(f"is less than a millisecond, {seconds:g} s: 0, or 0.001 and more")
        return seconds

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

    @field_validator("kafka_bootstrap_servers")
    @classmethod
    def _brokers_have_addresses(cls, text: str) -> str:
        access.parse_brokers(text)
        return text

    @field_validator("redis_url")
    @classmethod
    def _redis_url_is_one(cls, url: SecretStr) -> SecretStr:
        redis_urls.parse(url.get_secret_value())
        return url

    @classmethod
    def contradictions(cls, values: Mapping[str, str]) -> Iterator[Fault]:
        """See ``EnvironmentSettings``."""
        kafka_values = {
            name.removeprefix("kafka_"): value
            for name, value in values.items()
            if name.startswith("kafka_") and value
        }
        for name, message in access.contradictions(kafka_values):
            variables = access.in_variables(message, lambda field: cls.variable(f"kafka_{field}"))
            yield Fault(cls.variable(f"kafka_{name}"), variables)
        users: dict[str, str] = {}
        for name in _TOPICS:
            topic = values.get(name, str(cls.model_fields[name].default))
            if topic in users:
                yield Fault(cls.variable(name), f"is {topic!r}, as {cls.variable(users[topic])} is")
            users.setdefault(topic, name)

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

    @property
    def responses(self) -> ResponsePolicy:
        """How long people have, and how long they may quieten an alert."""
        from streamer.core.responses import ResponsePolicy  # noqa: PLC0415 - loads numpy

        return ResponsePolicy(
            *(
                round(seconds * 1000)
                for seconds in (
                    self.respond_high,
                    self.respond_medium,
                    self.ack_expires_high,
                    self.snooze_max,
                    self.snooze_max_high,
                    self.pause_max,
                )
            )
        )

    def trust(self) -> Trust:
        """Whose models may take over."""
        from streamer.bundles.acceptance import Trust  # noqa: PLC0415 - loads the scoring code

        unsigned = self.allow_unsigned_models
        if unsigned is None:
            unsigned = is_announced(self.redis_url.get_secret_value())
        return Trust(parse_keys(self.model_keys), unsigned)

    @property
    def redis(self) -> Callable[[], str]:
        """Reads the URL of Redis: from its file anew at each call, where it is in a file."""
        return self.secret("redis_url")

    @property
    def redis_address(self) -> RedisUrl:
        """The URL of Redis in its parts; its text form has no password."""
        return redis_urls.parse(self.redis_url.get_secret_value())

    @property
    def kafka(self) -> KafkaAccess:
        """Brokers, protocol and credentials of Kafka."""
        return KafkaAccess(
            self.kafka_bootstrap_servers,
            self.kafka_security_protocol,
            self.kafka_sasl_mechanism,
            self.kafka_sasl_username,
            self.secret("kafka_sasl_password"),
            tls_files=TlsFiles(
                self.kafka_ssl_cafile, self.kafka_ssl_certfile, self.kafka_ssl_keyfile
            ),
            key_password=self.secret("kafka_ssl_password"),
            oauth=access.OauthAccess(
                self.kafka_oauth_token_file,
                self.kafka_oauth_url,
                self.kafka_oauth_client_id,
                self.secret("kafka_oauth_client_secret"),
                self.kafka_oauth_scope,
            ),
        )

    def kafka_connection(self) -> dict[str, Any]:
        """Arguments of each Kafka client: brokers, security, credentials."""
        return self.kafka.arguments()
