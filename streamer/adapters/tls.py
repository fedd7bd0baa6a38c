"""TLS: files judged before they are used, and OpenSSL's errors in words that name the way out."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Files of a TLS client, PEM; empty where there is none.

    Attributes:
        ca: certificates of the authorities that are trusted; empty: those of the system.
        certificate: the client's own certificate and its chain.
        key: its private key; empty: in the file of the certificate.
    """

    ca: str = ""
    certificate: str = ""
    key: str = ""


# OpenSSL's words, lower case, and ours. The first that is in the text counts.
_WORDS: Final = (
    ("certificate required", "it asks for a client certificate, and none was sent"),
    ("hostname mismatch", "its certificate is for another name than {host}"),
    ("ip address mismatch", "its certificate is for another name than {host}"),
    ("doesn't match", "its certificate is for another name than {host}"),
    ("certificate has expired", "its certificate has expired, or this machine's clock is wrong"),
    ("not yet valid", "its certificate is not valid yet, or this machine's clock is wrong"),
    ("certificate_verify_failed", "the authority that signed its certificate is not in {ca}"),
    ("wrong_version_number", "it does not speak TLS on this port"),
    ("wrong version number", "it does not speak TLS on this port"),
    ("record layer failure", "it does not speak TLS on this port"),
    ("packet_length_too_long", "it does not speak TLS on this port"),
    ("unknown ca", "it does not know the authority that signed our client certificate"),
    ("bad certificate", "it refuses our client certificate, or asks for one"),
    ("certificate unknown", "it refuses our client certificate"),
    ("unsupported certificate", "it refuses the kind of our client certificate"),
    ("handshake failure", "it refuses the handshake: it may ask for a client certificate"),
    ("eof occurred in violation", "it ended the handshake: it may not speak TLS on this port"),
    ("unexpected_eof", "it ended the handshake: it may not speak TLS on this port"),
)


def explain(error: str, host: str, ca: str) -> str | None:
    """The cause of a failed TLS connection in plain words; ``None`` if it is not about TLS.

    Args:
        error: the client's text of the error.
        host: the name or address that was connected to.
        ca: the setting that names the trusted authorities.

    >>> explain("[SSL: WRONG_VERSION_NUMBER] wrong version number", "kafka", "THE_CA")
    'it does not speak TLS on this port'
    """
    lower = error.lower()
    for theirs, ours in _WORDS:
        if theirs in lower:
            return ours.format(host=host, ca=ca)
    return None


def faults(files: TlsFiles, password: Callable[[], str] | None = None) -> Iterator[tuple[str, str]]:
    """Yields what is wrong with files: the attribute of ``TlsFiles`` or `password`, and the words.

    Args:
        files: the files to read.
        password: returns the password of the key; ``None`` where there is none.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if files.ca:
        try:
            context.load_verify_locations(files.ca)
        except ssl.SSLError:
            yield "ca", f"{files.ca!r} holds no certificate (PEM)"
        except OSError as error:
            yield "ca", f"{files.ca!r} cannot be read: {error.strerror}"
    for name, file in (("certificate", files.certificate), ("key", files.key)):
        try:
            if file:
                open(file, "rb").close()  # noqa: PTH123 - the cheapest trial
        except OSError as error:
            yield name, f"{file!r} cannot be read: {error.strerror}"
            return
    if not files.certificate:
        return
    try:
        # Without a callable OpenSSL would ask at the terminal.
        context.load_cert_chain(files.certificate, files.key or None, password or (lambda: ""))
    except ssl.SSLError as error:
        if "KEY_VALUES_MISMATCH" in str(error):
            yield "key", f"is not the key of the certificate {files.certificate!r}"
        elif _is_encrypted(files.key or files.certificate):
            yield "password", "does not open the private key"
        else:
            yield "certificate", f"{files.certificate!r} and its key are not both there (PEM)"
    except (OSError, ValueError):
        yield "password", "does not open the private key"


def _is_encrypted(file: str) -> bool:
    with open(file, "rb") as opened:  # noqa: PTH123 - as above
        return b"ENCRYPTED" in opened.read()
