"""The in-memory twin of `adapters.redis.models`."""

from __future__ import annotations

from streamer.adapters.redis.models import KEPT
from streamer.bundles.bundle import MOST_PACKED
from streamer.ports.models import Champion, Fenced, Superseded, Unfetchable


class MemoryModels:
    """Published models in a dictionary."""

    def __init__(self) -> None:
        self._champion: Champion | None = None
        self._bundles: dict[str, bytes] = {}
        self._kept: tuple[str, bytes] | None = None
        self._fence = 0

    def champion(self) -> Champion | None:
        """See ``ModelChannel``."""
        return self._champion

    def recent(self) -> list[str]:
        """See ``ModelChannel``."""
        return list(self._bundles)[::-1]

    def fetch(self, model_id: str) -> bytes | None:
        """See ``ModelChannel``."""
        kept = self._kept[1] if self._kept and self._kept[0] == model_id else None
        packed = self._bundles.get(model_id, kept)
        if packed is not None and len(packed) > MOST_PACKED:
            raise Unfetchable(f"it has {len(packed)} bytes, at most {MOST_PACKED} are read")
        return packed

    def publish(
        self, model_id: str, packed: bytes, expected_version: int, fence: int = 0
    ) -> Champion:
        """See ``ModelChannel``."""
        if 0 < fence < self._fence:
            raise Fenced(f"lease {self._fence} has published, this is lease {fence}")
        version = self._champion.version if self._champion else 0
        if version != expected_version:
            raise Superseded(f"version {version} is in force, not {expected_version}")
        self._bundles.pop(model_id, None)
        self._bundles[model_id] = packed
        for old in list(self._bundles)[:-KEPT]:
            del self._bundles[old]
        self._champion = Champion(model_id, version + 1)
        self._fence = max(fence, self._fence)
        return self._champion

    def keep(self, model_id: str, packed: bytes) -> None:
        """See ``ModelChannel``."""
        self._kept = model_id, packed

    def kept(self) -> str | None:
        """See ``ModelChannel``."""
        return self._kept[0] if self._kept else None
