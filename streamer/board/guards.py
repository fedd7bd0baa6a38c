"""Guards: a session's cookie, a proxy's headers, or anybody on this machine."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from starlette.requests import HTTPConnection

from streamer.adapters.loopback import is_loopback
from streamer.board.people import ANONYMOUS, Person, Role
from streamer.board.refusals import Refused
from streamer.board.sessions import COOKIE, Sessions

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
GROUPS_HEADER: Final = "X-Forwarded-Groups"
NAME_HEADER: Final = "X-Forwarded-Name"
_LOGIN: Final = Refused(401, "login", "Log in first.")


class Guard(Protocol):
    """Recognises who asks."""

    def recognise(self, asked: HTTPConnection) -> Person:
        """Returns who asks.

        Raises:
            Refused: nobody who may.
        """


def host_of(header: str) -> str:
    """The host of a Host header, without its port.

    >>> host_of("127.0.0.1:8080"), host_of("[::1]:8080"), host_of("board.example")
    ('127.0.0.1', '::1', 'board.example')
    """
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0]


class NoGuard:
    """Everybody on this machine is `anonymous (unverified)`."""

    def recognise(self, asked: HTTPConnection) -> Person:
        """See ``Guard``; a name that resolves to this machine may be a foreign page's own."""
        if not is_loopback(host_of(asked.headers.get("host", ""))):
            raise Refused(403, "host", "Without login the board answers to loopback names only.")
        return ANONYMOUS


@dataclass(frozen=True, slots=True)
class ProxyGuard:
    """A proxy says who it is.

    Attributes:
        trusted: networks of the proxies.
        user_header: the header with the user.
        roles: role by group.
    """

    trusted: Sequence[Network]
    user_header: str
    roles: Mapping[str, Role]

    def recognise(self, asked: HTTPConnection) -> Person:
        """See ``Guard``."""
        if not self._is_proxy(asked):
            raise Refused(403, "proxy", "Only the listed proxies may ask.")
        user = asked.headers.get(self.user_header, "").strip()
        groups = asked.headers.get(GROUPS_HEADER, "").split(",")
        roles = [self.roles[g.strip()] for g in groups if g.strip() in self.roles]
        if not user or not user.isprintable() or len(user) > 128:
            raise Refused(403, "proxy", "The proxy names no user.")
        if not roles:
            raise Refused(403, "role", "No group of this user has a role on the board.")
        name = asked.headers.get(NAME_HEADER, "").strip()
        return Person(user, name if name.isprintable() and name else user, max(roles), "proxy")

    def _is_proxy(self, asked: HTTPConnection) -> bool:
        try:
            address = ipaddress.ip_address(asked.client.host if asked.client else "")
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any((mapped or address) in network for network in self.trusted)


@dataclass(frozen=True, slots=True)
class SessionGuard:
    """A cookie says who it is."""

    sessions: Sessions

    def recognise(self, asked: HTTPConnection) -> Person:
        """See ``Guard``."""
        session = self.sessions.read(asked.cookies.get(COOKIE))
        person = None if session is None else self.sessions.person(session)
        if person is None:
            raise _LOGIN
        return person


def read_networks(text: str) -> list[Network]:
    """Reads networks, CIDR separated by commas.

    Raises:
        ValueError: one of them is none, or is everything.

    >>> read_networks("10.1.0.0/16, ::1")
    [IPv4Network('10.1.0.0/16'), IPv6Network('::1/128')]
    """
    networks = [ipaddress.ip_network(part.strip()) for part in text.split(",") if part.strip()]
    if any(network.prefixlen == 0 for network in networks):
        raise ValueError("a network of all addresses trusts everybody: name the proxies")
    return networks


def read_roles(text: str) -> dict[str, Role]:
    """Reads GROUP=ROLE, separated by commas.

    Raises:
        ValueError: an entry is none.

    >>> read_roles("icu-staff=nurse")
    {'icu-staff': <Role.NURSE: 2>}
    """
    roles = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        group, _, role = entry.rpartition("=")
        if not group:
            raise ValueError(f"{entry!r} is not GROUP=ROLE")
        roles[group] = Role.of(role)
    return roles
