"""Vigil's service: events in, risks and alerts out, the state of each patient kept in Redis."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamer.monitor import Monitor as Monitor

__all__ = ["Monitor"]


def __getattr__(name: str) -> Any:
    # Imported on first use: `import streamer` must not wait for modules that only scoring needs.
    if name == "Monitor":
        from streamer.monitor import Monitor  # noqa: PLC0415

        return Monitor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
