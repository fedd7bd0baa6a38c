"""What a person gave and must change; each message says what is wrong and what would help."""

from __future__ import annotations


class InputError(ValueError):
    """Something that was given cannot be used."""


class WrongUsage(InputError):
    """Options or settings that cannot be; holds every fault, not the first alone."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


class TooLittleData(InputError):
    """The stays do not suffice for training, or for judging what was trained."""


class NothingToEvaluate(InputError):
    """No patient is left to be judged, or the bundle does not say which ones it held out."""


class ResumeError(InputError):
    """A checkpoint that this run must not go on from."""


class UnknownModel(InputError):
    """No bundle of that name in the registry, or more than one that begins so."""
