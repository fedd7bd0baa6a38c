"""Settings from the environment, judged before anything is opened: all faults at once, by name.

`pydantic-settings` reads and checks the values. This base adds what it lacks: unknown names with
the prefix, quotes and blanks that an env file left, secrets from files, faults of several settings
together, and error texts without the values of secrets.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Final, NamedTuple, Self

import structlog
from pydantic import (
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

_log = structlog.get_logger()

_FILE: Final = "_FILE"
_MOST_SECRET_BYTES: Final = 64 * 1024  # a token has some 2 KB: more is another file
# Kubernetes sets these for each Service of the namespace: one called `streamer` must not end us.
_OF_KUBERNETES: Final = re.compile(
    r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$"
)
_SERVICE_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://")


class Fault(NamedTuple):
    """A wrong setting: the environment variable, and what is wrong with it and the way out."""

    variable: str
    message: str


class EnvironmentSettings(BaseSettings):
    """Base of a program's settings.

    Each field of type ``SecretStr`` is also read from the file that the variable NAME_FILE names.

    Attributes:
        shared: environment variables by field, of those without the program's prefix.
    """

    model_config = SettingsConfigDict(extra="ignore", hide_input_in_errors=True)
    shared: ClassVar[Mapping[str, str]] = {}

    _secret_files: dict[str, Path] = PrivateAttr(default_factory=dict)

    @classmethod
    def variable(cls, field: str) -> str:
        """The environment variable of a field."""
        prefix = str(cls.model_config["env_prefix"])
        return cls.shared.get(field, f"{prefix}{field}".upper())

    @classmethod
    def secret_fields(cls) -> list[str]:
        """The fields whose values are never shown."""
        return [name for name, field in cls.model_fields.items() if field.annotation is SecretStr]

    @classmethod
    def contradictions(cls, values: Mapping[str, str]) -> Iterator[Fault]:
        """Yields faults of several settings together; programs override it.

        Args:
            values: the text of each setting that is not left at its default, by field; some may be
                wrong by themselves.
        """
        del values
        return iter(())

    def secret(self, field: str) -> Callable[[], str]:
        """Returns a reader of a secret: of its file, anew at each call, where it is in a file."""
        file = self._secret_files.get(field)
        if file is None:
            value: SecretStr = getattr(self, field)
            return value.get_secret_value
        return lambda: _secret_in(file)

    def lasting_secret(self, field: str) -> Callable[[], str]:
        """Returns a reader like that of ``secret``, which keeps what it had while the file is bad.

        It is for a secret that records are judged by: they cannot wait until somebody has mended a
        file that is away, empty or half written.
        """
        value: SecretStr = getattr(self, field)
        return _LastingSecret(
            self.secret(field), value.get_secret_value(), self.variable(field) + _FILE
        )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """See pydantic-settings: arguments first, then the environment, then files of secrets."""
        del settings_cls, dotenv_settings, file_secret_settings
        return init_settings, env_settings, _SecretFiles(cls)

    @model_validator(mode="wrap")
    @classmethod
    def _judge(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        data = {key: value for key, value in data.items() if not _is_of_service(str(key), value)}
        values = {
            field: _text(data[key])
            for field in cls.model_fields
            for key in (cls.shared.get(field, field), field)
            if key in data
        }
        # A quote or a blank is the cause of what else is wrong with a value.
        faults = list(_of_environment(cls))
        judged = {fault.variable for fault in faults}
        faults += cls.contradictions(values)
        settings: Self | None = None
        try:
            settings = handler(data)
        except ValidationError as error:
            faults += [f for f in _of_fields(cls, error) if f.variable not in judged]
        if settings is None or faults:
            raise ValidationError.from_exception_data(
                cls.__name__, [_details(fault) for fault in dict.fromkeys(faults)], hide_input=True
            )
        settings._secret_files = dict(_files(cls))
        return settings


class _LastingSecret:
    """The last good secret of a reader; what is wrong with its file is logged once."""

    def __init__(self, read: Callable[[], str], last: str, variable: str) -> None:
        self._read = read
        self._last = last
        self._variable = variable
        self._is_bad = False

    def __call__(self) -> str:
        try:
            self._last = self._read()
        except (OSError, ValueError) as error:
            if not self._is_bad:
                reason = _reason(error)
                _log.error("a secret's file cannot be used", file=self._variable, reason=reason)
            self._is_bad = True
        else:
            self._is_bad = False
        return self._last


class _SecretFiles(PydanticBaseSettingsSource):
    """The contents of files that NAME_FILE variables name; `_of_environment` judges the files."""

    def __init__(self, settings: type[EnvironmentSettings]) -> None:
        super().__init__(settings)
        self._settings = settings

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Unused: all values are read at once."""
        raise NotImplementedError(field_name, field)

    def __call__(self) -> dict[str, Any]:
        values = {}
        for field, file in _files(self._settings):
            try:
                # The key of a field is its alias where it has one.
                values[self._settings.shared.get(field, field)] = _secret_in(file)
            except (OSError, ValueError):
                continue
        return values


def fault_lines(error: ValidationError) -> list[str]:
    """One line for each wrong setting: its variable, and what is wrong with it."""
    lines = []
    for fault in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in fault["loc"])
        lines.append(f"{name}: {fault['msg']}" if name else fault["msg"])
    return lines


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint at the known name that is most like this one; empty where none is.

    >>> did_you_mean("STREAMER_PARTITION", ["STREAMER_PARTITIONS", "STREAMER_GROUP"])
    '; did you mean STREAMER_PARTITIONS?'
    """
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)
    return f"; did you mean {close[0]}?" if close else ""


def _files(cls: type[EnvironmentSettings]) -> Iterator[tuple[str, Path]]:
    """Secrets that a file holds, since no variable does: field and file."""
    environment = _environment()
    for field in cls.secret_fields():
        variable = cls.variable(field)
        file = environment.get(variable + _FILE)
        if file and variable not in environment:
            yield field, Path(file)


def _secret_in(file: Path) -> str:
    """The secret in a file, without the line end behind it.

    Raises:
        OSError: it cannot be read.
        ValueError: it holds none, or is no text.
    """
    with file.open("rb") as opened:
        content = opened.read(_MOST_SECRET_BYTES + 1)
    if len(content) > _MOST_SECRET_BYTES:
        raise ValueError(f"is larger than {_MOST_SECRET_BYTES // 1024} KiB")
    try:
        secret = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
    if not secret:
        raise ValueError("is empty")
    return secret


def _reason(error: OSError | ValueError) -> str:
    """Why a file cannot be used, without its name."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


def _of_environment(cls: type[EnvironmentSettings]) -> Iterator[Fault]:
    fields = {cls.variable(field): field for field in cls.model_fields}
    files = {cls.variable(field) + _FILE for field in cls.secret_fields()}
    known = fields.keys() | files
    prefix = str(cls.model_config["env_prefix"])
    for name, value in sorted(os.environ.items()):
        variable = name.upper()
        if _is_of_service(variable, value):
            continue
        if variable in known:
            yield from _of_value(cls, variable, fields.get(variable), value)
        elif variable.startswith(prefix) and not _OF_KUBERNETES.search(variable):
            yield Fault(name, _unknown(variable, fields, known))
    environment = _environment()
    for file in sorted(files & environment.keys()):
        variable = file.removesuffix(_FILE)
        if variable in environment:
            yield Fault(file, f"is set, and so is {variable}: unset one of them")
            continue
        try:
            _secret_in(Path(environment[file]))
        except (OSError, ValueError) as error:
            yield Fault(file, f"{environment[file]!r} cannot be used: {_reason(error)}")


def _unknown(variable: str, fields: Mapping[str, str], known: Iterable[str]) -> str:
    if variable.removesuffix(_FILE) in fields:
        return f"only secrets are read from a file; set {variable.removesuffix(_FILE)}"
    return f"is not a setting{did_you_mean(variable, known)}"


def _environment() -> dict[str, str]:
    """The environment by upper case: names are read in either."""
    return {name.upper(): value for name, value in os.environ.items()}


def _is_of_service(name: str, value: object) -> bool:
    """Whether Kubernetes set it: a Service `streamer-http` gives STREAMER_HTTP_PORT an address."""
    is_port = name.upper().endswith("_PORT")
    return is_port and isinstance(value, str) and _SERVICE_ADDRESS.match(value) is not None


def _of_value(
    cls: type[EnvironmentSettings], variable: str, field: str | None, value: str
) -> Iterator[Fault]:
    """Judges what an env file, a shell or an editor leaves around a value."""
    instead = f"; if it belongs to the secret, use {variable}{_FILE}"
    hint = instead if field in cls.secret_fields() else ""
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'`":
        yield Fault(variable, f"has quotes around it, which an env file keeps: remove them{hint}")
    elif value != value.strip() or not value.isprintable():
        yield Fault(variable, f"has blanks at an end, or characters that are none{hint}")
    elif not value and (
        field is None or cls.model_fields[field].default not in ("", SecretStr(""))
    ):
        yield Fault(variable, "is empty: unset it, or give it a value")


def _of_fields(cls: type[EnvironmentSettings], error: ValidationError) -> Iterator[Fault]:
    secret = {cls.variable(field) for field in cls.secret_fields()}
    for fault in error.errors(include_url=False):
        field = ".".join(str(part) for part in fault["loc"])
        variable = cls.variable(field) if field in cls.model_fields else field
        value = fault["input"] if isinstance(fault["input"], str) else ""
        value = "" if variable in secret else value
        if fault["type"] == "string_pattern_mismatch":
            odd = _odd_characters(str(fault["ctx"]["pattern"]), value)
            message = f"has characters that are not allowed in it: {odd}" if odd else "is no name"
        elif fault["type"] == "bool_parsing":
            message = "must be true or false"
        else:
            message = fault["msg"].removeprefix("Value error, ").partition(", unable to parse")[0]
            message = message.replace("Input should be", "must be", 1)
        own_words = fault["type"] in {"value_error", "setting"}
        if not own_words and value:
            message += f", not {value!r}"
        yield Fault(variable, message)


def _odd_characters(pattern: str, value: str) -> str:
    """The characters of a value that its pattern allows nowhere behind a letter."""
    odd = dict.fromkeys(char for char in value if not re.search(pattern, f"a{char}"))
    return " ".join(map(repr, odd))


def _details(fault: Fault) -> InitErrorDetails:
    error = PydanticCustomError("setting", "{message}", {"message": fault.message})
    return InitErrorDetails(type=error, loc=(fault.variable,), input=None)


def _text(value: object) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else str(value)
