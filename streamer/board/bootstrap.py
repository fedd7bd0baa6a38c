"""Wiring of the board from its settings, and what it refuses to run with."""

from __future__ import annotations

import time
import zoneinfo
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from streamer.adapters.kafka.actions import KafkaActionLog, KafkaProgress
from streamer.adapters.kafka.ward import KafkaWardLog
from streamer.adapters.loopback import is_loopback
from streamer.adapters.redis.client import connect
from streamer.adapters.redis.models import RedisModels
from streamer.board.assets import Assets
from streamer.board.board import Board, BoardConfig
from streamer.board.context import Context, Login
from streamer.board.guards import (
    Guard,
    NoGuard,
    ProxyGuard,
    SessionGuard,
    read_networks,
    read_roles,
)
from streamer.board.hub import Hub
from streamer.board.server import wall_ms
from streamer.board.sessions import LEAST_SECRET, Sessions
from streamer.board.users import UsersFile, UsersFileError
from streamer.ports.ward import WardTopics
from streamer.process.environment import Fault
from streamer.service.bootstrap import state_store
from streamer.service.model_facts import ModelShelf
from streamer.service.settings import Settings
from streamer.service.weak_connections import weak_choices

_SECRET: Final = "STREAMER_BOARD_SECRET"


def faults(settings: Settings, host: str) -> Iterator[Fault]:
    """Yields what the board refuses to run with; each has the way out.

    Args:
        settings: of the command.
        host: address to listen on.
    """
    is_local, auth = is_loopback(host), settings.board_auth
    has_tls = bool(settings.board_tls_cert)
    if not is_local and auth == "none":
        yield Fault(
            "STREAMER_BOARD_AUTH",
            f"is none, and {host} is not this machine alone: everybody could acknowledge. "
            "Set session or proxy",
        )
    elif not is_local and not has_tls and auth != "proxy":
        yield Fault(
            "STREAMER_BOARD_TLS_CERT",
            f"is empty, and {host} is not this machine alone: passwords would be readable. Set it "
            "and STREAMER_BOARD_TLS_KEY, or STREAMER_BOARD_AUTH=proxy",
        )
    if bool(settings.board_tls_key) and not has_tls:
        yield Fault("STREAMER_BOARD_TLS_KEY", "is set without STREAMER_BOARD_TLS_CERT")
    for name in ("board_tls_cert", "board_tls_key"):
        file: str = getattr(settings, name)
        if file and not Path(file).is_file():
            yield Fault(settings.variable(name), f"{file!r} is not a file")
    if settings.board_timezone not in zoneinfo.available_timezones():
        yield Fault(
            "STREAMER_BOARD_TIMEZONE",
            f"{settings.board_timezone!r} is not a time zone: an IANA name such as Europe/Berlin",
        )
    if settings.require_tls:
        for line in weak_choices(settings):
            yield Fault("STREAMER_REQUIRE_TLS", f"is true: {line}")
    if auth == "session":
        yield from _of_session(settings)
    if auth == "proxy":
        yield from _of_proxy(settings)


def _of_session(settings: Settings) -> Iterator[Fault]:
    n_bytes = len(settings.board_secret.get_secret_value().encode())
    if n_bytes < LEAST_SECRET:
        yield Fault(
            _SECRET,
            f"has {n_bytes} bytes, {LEAST_SECRET} or more are needed: "
            "`python3 -c 'import secrets; print(secrets.token_urlsafe(32))'` makes one",
        )
    try:
        users = UsersFile(settings.board_users).all()
    except UsersFileError as error:
        yield Fault("STREAMER_BOARD_USERS", str(error))
    else:
        if not users:
            yield Fault(
                "STREAMER_BOARD_USERS",
                f"{settings.board_users} has no user: add one with `streamer users add NAME "
                "--role nurse`",
            )


def _of_proxy(settings: Settings) -> Iterator[Fault]:
    try:
        if not read_networks(settings.board_proxy_trust):
            yield Fault(
                "STREAMER_BOARD_PROXY_TRUST",
                "is empty: name the addresses of the proxies, such as 10.1.2.3/32",
            )
    except ValueError as error:
        yield Fault("STREAMER_BOARD_PROXY_TRUST", str(error))
    try:
        if not read_roles(settings.board_proxy_roles):
            yield Fault("STREAMER_BOARD_PROXY_ROLES", "names no role")
    except ValueError as error:
        yield Fault("STREAMER_BOARD_PROXY_ROLES", str(error))


def topics_of(settings: Settings) -> WardTopics:
    """Returns the names of the topics that the board reads."""
    return WardTopics(settings.topic_stays, settings.topic_risk, settings.topic_alerts)


def progress_of(settings: Settings) -> KafkaProgress:
    """Returns what asks how far the service is."""
    return KafkaProgress(
        settings.kafka_connection, settings.topic_vitals, settings.topic_risk, settings.group
    )


def context_of(settings: Settings) -> Context:
    """Returns the parts of the board; nothing is connected yet."""
    config = BoardConfig(
        settings.board_clock,
        settings.board_timezone,
        settings.board_auth,
        settings.board_stale_minutes,
        settings.board_privacy,
        settings.board_sound,
        {
            "respond_high": settings.respond_high,
            "respond_medium": settings.respond_medium,
            "snooze_max": settings.snooze_max,
            "snooze_max_high": settings.snooze_max_high,
            "pause_max": settings.pause_max,
        },
        settings.interval_ms,
    )
    board = Board(config, wall_ms)
    login: Login | None = None
    guard: Guard
    if settings.board_auth == "session":
        users = UsersFile(settings.board_users)
        sessions = Sessions(settings.board_secret.get_secret_value(), users, time.time)
        is_open = is_loopback(settings.board_host) and not settings.board_tls_cert
        login, guard = Login(sessions, users, not is_open), SessionGuard(sessions)
    elif settings.board_auth == "proxy":
        guard = ProxyGuard(
            read_networks(settings.board_proxy_trust),
            settings.board_proxy_user_header,
            read_roles(settings.board_proxy_roles),
        )
    else:
        guard = NoGuard()
    wards = frozenset(filter(None, (w.strip() for w in settings.board_wards.split(","))))
    return Context(
        board,
        Hub(board),
        guard,
        Assets(),
        KafkaActionLog(settings.kafka_connection, settings.topic_vitals),
        lambda: KafkaWardLog(
            settings.kafka_connection(), topics_of(settings), settings.interval_ms
        ),
        state_store(settings),
        ModelShelf(
            lambda: RedisModels(connect(settings.redis), own=f"vigil:{settings.group}:model")
        ),
        login,
        wards or None,
        settings.lasting_secret("action_key"),
    )
