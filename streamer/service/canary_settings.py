"""Settings of `streamer canary`, a part of the settings of all commands."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from streamer.process.environment import EnvironmentSettings
from streamer.service.board_settings import Port
from streamer.service.topic_name import TopicName


class CanarySettings(EnvironmentSettings):
    """Where canaries are heard, how often they are sent, and when they are late."""

    topic_risk_canary: TopicName = Field(
        default="risk.canary", description="topic of the risks of canaries"
    )
    topic_alerts_canary: TopicName = Field(
        default="alerts.canary",
        description="topic of the alerts of canaries, which page nobody",
    )
    canary_seconds: Annotated[float, Field(allow_inf_nan=False)] = Field(
        default=60,
        ge=1,
        le=3600,
        description="seconds between two canaries of a partition; one that was not heard until the "
        "next is lost",
    )
    canary_late_seconds: Annotated[float, Field(allow_inf_nan=False)] = Field(
        default=10, gt=0, le=3600, description="seconds after which a canary is late"
    )
    canary_http_port: Port = Field(
        default=8002,
        description="port of the canary's /metrics, /healthz and /readyz; 0: off",
    )
