"""Vigil's streaming half: events in, recurrent state outside the process, risks and alerts out."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamer.monitor import Monitor as Monitor

__all__ = ["Monitor"]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: `import streamer` must not wait for what only those who score need.
    if name == "Monitor":
        from streamer.monitor import Monitor  # noqa: PLC0415

        return Monitor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
