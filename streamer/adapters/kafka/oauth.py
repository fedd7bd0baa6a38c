"""Tokens of SASL OAUTHBEARER: from a file that another program renews, or from an endpoint."""

from __future__ import annotations

import base64
import json
import ssl
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote, urlencode
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

from kafka.errors import SaslAuthenticationFailedError
from kafka.net.sasl.oauth import AbstractTokenProvider

_TIMEOUT_S: Final = 5.0  # the client's connections stand still meanwhile
# A token is used until this share of its life is over, so that none ends on its way.
_USED_SHARE: Final = 0.8
_MOST_BYTES: Final = 256 * 1024


class _NoRedirects(HTTPRedirectHandler):
    """Refuses redirects: the client's secret would go to another host, or in plain text."""

    def redirect_request(self, *_: object) -> None:
        """See urllib."""


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python has no types
    """The token in a file, read at each connection.

    Args:
        file: such as a projected token of a Kubernetes service account.
    """

    def __init__(self, file: str) -> None:
        super().__init__()
        self._file = Path(file)

    def token(self) -> str:
        """Returns the token.

        Raises:
            OSError: the file cannot be read.
            ValueError: it holds no token.
        """
        token = self._file.read_text(errors="replace").strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("holds no token")
        return token


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]
    """Tokens of an OAuth 2 endpoint for client id and secret (RFC 6749, section 4.4).

    Args:
        url: the token endpoint.
        client_id: the client.
        client_secret: returns its secret, at each request.
        scope: empty: the endpoint's default.
        ca: file of authorities that are trusted besides those of the system; empty: none.
    """

    def __init__(
        self, url: str, client_id: str, client_secret: Callable[[], str], scope: str, ca: str
    ) -> None:
        super().__init__()
        self._url = url
        self._client_id = client_id
        self._client_secret = client_secret
        self._scope = scope
        self._ca = ca
        self._token = ""
        self._good_until = 0.0
        self._lock = threading.Lock()

    def token(self) -> str:
        """Returns a token that has not expired.

        Raises:
            SaslAuthenticationFailedError: the endpoint gives none.
        """
        with self._lock:
            if time.monotonic() >= self._good_until:
                self._renew()
            return self._token

    def _renew(self) -> None:
        credentials = f"{quote(self._client_id)}:{quote(self._client_secret())}"
        fields = {"grant_type": "client_credentials"} | (
            {"scope": self._scope} if self._scope else {}
        )
        request = Request(
            self._url,
            urlencode(fields).encode(),
            {
                "Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}",
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
        )
        context = ssl.create_default_context()
        if self._ca:
            context.load_verify_locations(self._ca)
        try:
            opener = build_opener(HTTPSHandler(context=context), _NoRedirects)
            with opener.open(request, timeout=_TIMEOUT_S) as answer:
                content = json.loads(answer.read(_MOST_BYTES))
            token, life_s = content["access_token"], float(content.get("expires_in", 60))
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise SaslAuthenticationFailedError(
                f"the token endpoint {self._url} gives no token: {error or type(error).__name__}"
            ) from None
        if not isinstance(token, str) or not token:
            raise SaslAuthenticationFailedError(f"the token endpoint {self._url} gives no token")
        self._token = token
        self._good_until = time.monotonic() + _USED_SHARE * life_s
