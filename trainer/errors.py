"""Errors in the input that a person can mend; each message says what is wrong and the way out."""

from __future__ import annotations


class InputError(ValueError):
    """An input that cannot be used."""


class WrongUsage(InputError):
    """Options or settings that cannot be used; holds every fault, not only the first."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class TooLittleData(InputError):
    """Too few stays for training, or for judging the result."""


class UnfitData(InputError):
    """Stays that cannot be what they are taken for."""


class NothingToEvaluate(InputError):
    """No patient to judge by is left, or the bundle does not say which ones it held out."""


class ResumeError(InputError):
    """A checkpoint of another run, or a damaged one."""


class Quarantined(InputError):
    """A model that was rolled back, and may not be champion again without a person's force."""


class UnknownModel(InputError):
    """No bundle of that name in the registry, or several whose ids begin with it."""
