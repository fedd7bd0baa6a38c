"""The device that a process trains on, chosen once as the number of its threads is."""

from __future__ import annotations

from typing import Final

import torch

AUTO: Final = "auto"


class _Choice:
    name: str = AUTO


def use_device(name: str) -> None:
    """Trains on this device from now on: ``auto`` (a GPU of NVIDIA if there is one), or ``cpu``,
    ``cuda``, ``cuda:1`` and so on.

    Raises:
        ValueError: PyTorch knows no such device, or there is none on this machine.
    """
    if name != AUTO:
        try:
            torch.empty(1, device=name)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            first = str(error).partition("\n")[0]
            raise ValueError(f"{name}: PyTorch cannot use this device here: {first}") from None
    _Choice.name = name


def training_device() -> torch.device:
    """The device in use."""
    if _Choice.name != AUTO:
        return torch.device(_Choice.name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
