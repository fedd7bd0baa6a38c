"""Settings of `streamer board`, a part of the settings of all commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from streamer.process.environment import EnvironmentSettings

Port = Annotated[int, Field(ge=0, le=65_535)]


class BoardSettings(EnvironmentSettings):
    """Where the board listens, who may use it, and how it shows the ward."""

    board_host: str = Field(default="127.0.0.1", description="address on which the board listens")
    board_port: Port = Field(default=8080, description="port of the board; 0: any free one")
    board_http_port: Port = Field(
        default=8081, description="port of the board's /metrics, /healthz and /readyz; 0: off"
    )
    board_timezone: str = Field(
        default="UTC", description="time zone of the times on the board, an IANA name"
    )
    board_wards: str = Field(
        default="", description="wards that the board shows, separated by commas; empty: all"
    )
    board_auth: Literal["session", "proxy", "none"] = Field(
        default="session",
        description="who people are: `session` (login), `proxy` (headers of a proxy), or `none` "
        "(on loopback only)",
    )
    board_users: Path = Field(
        default=Path(".vigil/users.json"), description="file of the users, with `session`"
    )
    board_secret: SecretStr = Field(
        default=SecretStr(""),
        description="key that signs the sessions, 32 bytes or more, with `session`; the same for "
        "all boards of a ward",
    )
    board_proxy_trust: str = Field(
        default="",
        description="addresses of the proxies whose headers are believed, as CIDR, separated by "
        "commas, with `proxy`",
    )
    board_proxy_user_header: str = Field(
        default="X-Forwarded-User", description="header with the user's name, with `proxy`"
    )
    board_proxy_roles: str = Field(
        default="viewer=viewer,nurse=nurse,admin=admin",
        description="role of each group of the header X-Forwarded-Groups, GROUP=ROLE separated by "
        "commas, with `proxy`",
    )
    board_tls_cert: str = Field(
        default="", description="file of the board's certificate and chain (PEM)"
    )
    board_tls_key: str = Field(default="", description="file of its private key (PEM)")
    board_stale_minutes: int = Field(
        default=15,
        ge=1,
        le=1440,
        description="minutes without a risk after which a patient is shown as without data",
    )
    board_privacy: bool = Field(
        default=False, description="begin with labels and ids hidden, as `p` does"
    )
    board_sound: bool = Field(default=False, description="begin with the sound on")
    board_clock: Literal["wall", "log"] = Field(
        default="wall",
        description="`wall`, or `log` for replays and simulations: the newest time of a risk",
    )
