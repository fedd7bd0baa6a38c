"""The page and its assets: read once, named by a hash of their content, kept by browsers for good.

`index.html` names an asset as `/static/app.js`; it is served with `/static/HASH/app.js` instead.
Modules that import each other by relative paths stay under the same hash, so it is one of all
assets together.
"""

from __future__ import annotations

import gzip
import hashlib
import mimetypes
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final, NamedTuple

_TYPES: Final = {
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".woff2": "font/woff2",
}
_PLACEHOLDER: Final = (
    b"<!doctype html><html lang=en><title>Vigil</title><p>The pages of the board are not in this "
    b"build; <a href=/api/board>/api/board</a> answers.</html>"
)


class Asset(NamedTuple):
    """One file as it is served.

    Attributes:
        content: its bytes.
        packed: the same, compressed by gzip once and for all: pages are a third of their size.
        media_type: of the content.
    """

    content: bytes
    packed: bytes
    media_type: str


class Assets:
    """All files under `static/`, by their path there.

    Attributes:
        version: hash of all of them.
        page: `index.html` with the hash in its links.
    """

    def __init__(self) -> None:
        self._assets: dict[str, Asset] = {}
        _collect(files("streamer.board") / "static", "", self._assets)
        whole = hashlib.sha256()
        for name in sorted(self._assets):
            whole.update(name.encode() + b"\0" + self._assets[name].content + b"\0")
        self.version = whole.hexdigest()[:16]
        page = self._assets.get("index.html")
        versioned = b"\\1/static/" + self.version.encode() + b"/"
        self.page = (
            _PLACEHOLDER if page is None else re.sub(rb"(['\"])/?static/", versioned, page.content)
        )

    def find(self, version: str, name: str) -> Asset | None:
        """Returns an asset; ``None`` for an unknown name, or one of another build."""
        return self._assets.get(name) if version == self.version else None

    def names(self) -> list[str]:
        """Returns the names of all assets."""
        return sorted(self._assets)


def _collect(folder: Traversable, prefix: str, into: dict[str, Asset]) -> None:
    if not folder.is_dir():
        return
    for entry in folder.iterdir():
        name = prefix + entry.name
        if entry.is_dir():
            _collect(entry, f"{name}/", into)
        elif not entry.name.startswith("."):
            ending = "." + entry.name.rpartition(".")[2]
            media = _TYPES.get(ending) or mimetypes.guess_type(entry.name)[0]
            content = entry.read_bytes()
            packed = gzip.compress(content, mtime=0)
            into[name] = Asset(content, packed, media or "application/octet-stream")
