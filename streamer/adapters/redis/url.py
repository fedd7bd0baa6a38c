"""URLs of Redis: one server, Sentinel or Cluster, judged before anything is opened.

    redis://USER:PASSWORD@HOST:PORT/DATABASE
    redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/NAME/DATABASE
    redis+cluster://USER:PASSWORD@HOST:PORT,HOST:PORT
    unix://USER:PASSWORD@/PATH?db=DATABASE

`rediss` in place of `redis` is TLS. redis-py reads such a URL leniently: it takes a database that
is no number for 0, cuts a password at `#`, and passes what it does not know on to a connection that
fails much later. No error here repeats a part of the URL that could be a secret.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from streamer.adapters import tls
from streamer.adapters.loopback import is_loopback
from streamer.adapters.tls import TlsFiles

_DEFAULT_PORT: Final = 6379
_SENTINEL_PORT: Final = 26379
_MOST_DATABASES: Final = 2**31
_EXAMPLE: Final = "redis://:PASSWORD@HOST:6379/0"
_HIDDEN: Final = "**********"
_QUERY: Final = {
    "ssl_ca_certs",
    "ssl_certfile",
    "ssl_keyfile",
    "ssl_check_hostname",
    "ssl_cert_reqs",
    "sentinel_username",
    "sentinel_password_file",
    "db",
}


class Form(StrEnum):
    """What a URL leads to."""

    SERVER = ""
    SENTINEL = "sentinel"
    CLUSTER = "cluster"
    SOCKET = "unix"


class BadUrl(ValueError):
    """A URL that cannot be used; the text names the part and the way out, and holds no secret."""


@dataclass(frozen=True, slots=True)
class RedisUrl:
    """A URL in its parts.

    Attributes:
        form: one server, Sentinel, Cluster, or a socket of this machine.
        hosts: host and port of the server, or of the Sentinels, or of some nodes of the Cluster.
        path: of the socket.
        username: empty for Redis's default user.
        password: empty for none.
        database: its number.
        service: the name by which the Sentinels know the master.
        tls: files for TLS; ``None`` for plain text.
        verified: whether the server's certificate is verified.
        check_hostname: whether its name is.
        sentinel_username: user at the Sentinels.
        sentinel_password: their password, out of its file; empty for none.
    """

    form: Form
    hosts: tuple[tuple[str, int], ...]
    path: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    database: int = 0
    service: str = ""
    tls: TlsFiles | None = None
    verified: bool = True
    check_hostname: bool = True
    sentinel_username: str = ""
    sentinel_password: str = field(default="", repr=False)

    def __str__(self) -> str:
        """The URL without its password, for people."""
        scheme = "rediss" if self.tls else "redis"
        if self.form is Form.SOCKET:
            scheme = "unix"
        elif self.form is not Form.SERVER:
            scheme += f"+{self.form}"
        credentials = f"{self.username}:{_HIDDEN}@" if self.password else ""
        if self.username and not self.password:
            credentials = f"{self.username}@"
        tail = {
            Form.SERVER: f"/{self.database}",
            Form.SENTINEL: f"/{self.service}/{self.database}",
            Form.CLUSTER: "",
            Form.SOCKET: self.path,
        }[self.form]
        return f"{scheme}://{credentials}{self.addresses}{tail}"

    @property
    def addresses(self) -> str:
        """The hosts and ports, comma separated."""
        return ",".join(f"{_bracketed(host)}:{port}" for host, port in self.hosts)

    @property
    def on_loopback(self) -> bool:
        """Whether nothing leaves this machine."""
        return all(is_loopback(host) for host, _ in self.hosts)


def parse(url: str) -> RedisUrl:
    """Reads a URL.

    Raises:
        BadUrl: it cannot be used.

    >>> str(parse("redis://ward:s3cret@redis.example/2"))
    'redis://ward:**********@redis.example:6379/2'
    """
    scheme, separator, rest = url.partition("://")
    if not separator or not re.fullmatch(r"[a-zA-Z+]+", scheme):
        raise BadUrl(f"has no scheme: write it as {_EXAMPLE}")
    form, is_tls = _form(scheme.lower())
    before, _, query = rest.partition("?")
    if "#" in rest:
        raise BadUrl("has a #, which ends a URL: write it as %23 in a password")
    if "@" in query:
        raise BadUrl("has a ? before its @: write it as %3F in a password")
    authority, slash, path = before.partition("/")
    if "@" in path:
        raise BadUrl("has a / before its @: write it as %2F in a password")
    credentials, _, addresses = authority.rpartition("@")
    if re.search(r"\s", url):
        raise BadUrl("has a blank: write it as %20 in a password")
    if re.search(r"%(?![0-9a-fA-F]{2})", credentials):
        raise BadUrl("has a % that begins no two hexadecimal digits: write it as %25 in a password")
    username, colon, password = credentials.partition(":")
    if credentials and not colon:
        # redis-py would take it for a user without a password
        raise BadUrl("has a user without a password: put a colon before a password alone")
    options = _options(query)
    if form is Form.SOCKET:
        if addresses or not slash:
            raise BadUrl("has no path of a socket: write it as unix:///PATH")
        hosts: tuple[tuple[str, int], ...] = ()
        service, database = "", options.get("db", "")
    else:
        port = _SENTINEL_PORT if form is Form.SENTINEL else _DEFAULT_PORT
        hosts = tuple(_host_and_port(address, port) for address in addresses.split(","))
        if form is Form.SERVER and len(hosts) > 1:
            raise BadUrl("names several servers: use redis+sentinel:// or redis+cluster://")
        service, database = _path(form, path)
        if "db" in options:
            raise BadUrl(f"has db in its query: put the number behind the last /, as in {_EXAMPLE}")
    return RedisUrl(
        form,
        hosts,
        path=f"/{path}" if form is Form.SOCKET else "",
        username=unquote(username),
        password=unquote(password),
        database=_database(form, database),
        service=service,
        tls=_tls(is_tls, options),
        verified=_choice(options, "ssl_cert_reqs", ("required", "none")) == "required",
        check_hostname=_choice(options, "ssl_check_hostname", ("true", "false")) == "true",
        **_sentinel(form, options),
    )


def _form(scheme: str) -> tuple[Form, bool]:
    if scheme == "unix":
        return Form.SOCKET, False
    base, _, form = scheme.partition("+")
    if base not in {"redis", "rediss"} or form not in {"", "sentinel", "cluster"}:
        raise BadUrl(
            "has a scheme that is none of redis, rediss (TLS), redis+sentinel, rediss+sentinel, "
            "redis+cluster, rediss+cluster, unix"
        )
    return Form(form), base == "rediss"


def _options(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        if name not in _QUERY:
            # The name itself may be the end of a password.
            raise BadUrl(
                f"has an unknown parameter behind the ?: known are {', '.join(sorted(_QUERY))}"
            )
        options[name] = unquote(value)
    return options


def _host_and_port(address: str, default_port: int) -> tuple[str, int]:
    bracketed = re.fullmatch(r"\[([0-9a-fA-F:.%]+)\](?::(.*))?", address)
    host, port = bracketed.groups() if bracketed else _split(address)
    if not host or not re.fullmatch(r"[\w.:%-]+", host):
        raise BadUrl(f"has no host, or one with odd characters: write it as {_EXAMPLE}")
    if port is None:
        return host, default_port
    if not re.fullmatch(r"[0-9]{1,5}", port) or not 0 < int(port) < 65_536:
        raise BadUrl(
            "has a port that is no number from 1 to 65535; in a password write @ as %40, : as %3A"
        )
    return host, int(port)


def _split(address: str) -> tuple[str, str | None]:
    host, colon, port = address.partition(":")
    return host, port if colon else None


def _path(form: Form, path: str) -> tuple[str, str]:
    """The name of the master and the text of the database."""
    parts = path.split("/") if path else []
    if form is not Form.SENTINEL:
        if len(parts) > 1:
            raise BadUrl(f"has a path: a database is one number, as in {_EXAMPLE}")
        return "", parts[0] if parts else ""
    if not parts or not parts[0] or len(parts) > 2:
        raise BadUrl(
            "does not say which master the Sentinels watch: "
            "redis+sentinel://HOST:26379,HOST:26379/NAME/0"
        )
    return unquote(parts[0]), parts[1] if len(parts) > 1 else ""


def _database(form: Form, text: str) -> int:
    if text and not (re.fullmatch(r"[0-9]{1,10}", text) and int(text) < _MOST_DATABASES):
        raise BadUrl(f"has a database that is no number, as in {_EXAMPLE}")
    number = int(text or 0)
    if form is Form.CLUSTER and number:
        raise BadUrl("names a database: a Redis Cluster has number 0 alone")
    return number


def _tls(is_tls: bool, options: dict[str, str]) -> TlsFiles | None:
    named = sorted(name for name in options if name.startswith("ssl_"))
    if not is_tls:
        if named:
            raise BadUrl(f"has {named[0]} and is not rediss: it would be sent in plain text")
        return None
    files = TlsFiles(
        options.get("ssl_ca_certs", ""),
        options.get("ssl_certfile", ""),
        options.get("ssl_keyfile", ""),
    )
    if files.key and not files.certificate:
        raise BadUrl("has ssl_keyfile without ssl_certfile")
    for _, message in tls.faults(files):
        raise BadUrl(f"names a file for TLS: {message}")
    return files


def _sentinel(form: Form, options: dict[str, str]) -> dict[str, str]:
    names = ("sentinel_username", "sentinel_password_file")
    if form is not Form.SENTINEL and any(name in options for name in names):
        raise BadUrl("has sentinel_ parameters and is not redis+sentinel")
    file = options.get("sentinel_password_file", "")
    return {
        "sentinel_username": options.get("sentinel_username", ""),
        "sentinel_password": _password_in(file) if file else "",
    }


def _password_in(file: str) -> str:
    try:
        password = Path(file).read_text().rstrip("\r\n")
    except OSError as error:
        raise BadUrl(f"names {file!r}, which cannot be read: {error.strerror}") from None
    except ValueError:
        raise BadUrl(f"names {file!r}, which is not UTF-8 text, as a password is") from None
    if not password:
        raise BadUrl(f"names {file!r}, which is empty: write the Sentinels' password into it")
    return password


def _choice(options: dict[str, str], name: str, known: tuple[str, str]) -> str:
    """The value of an option; the first of the known ones is the default."""
    value = options.get(name, known[0]).lower()
    if value not in known:
        raise BadUrl(f"has {name} that is neither {known[0]} nor {known[1]}")
    return value


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
