"""From charted numbers to believable ones: the FiO2 rule and the limits of the variable table."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import FIO2, HIGH, LOW, NO_VALUE, fio2_fraction

# Compared in the precision in which values are kept: 6.6 must pass a limit of 6.6.
LOW32: Final = LOW.astype(np.float32)
HIGH32: Final = HIGH.astype(np.float32)
_NO_VALUE32: Final = NO_VALUE.astype(np.float32)


def clean(values: NDArray[Any]) -> NDArray[np.float32]:
    """Returns values in canonical units with errors made missing.

    Args:
        values: ``(..., 34)`` charted values in the order of ``VARIABLES``, NaN where missing.

    Returns:
        ``(..., 34)`` float32; FiO2 as a fraction, NaN where a value is infinite, outside of its
        limits, or the code of its variable for no value.
    """
    cleaned = _kept(values)
    cleaned[..., FIO2] = fio2_fraction(cleaned[..., FIO2])
    with np.errstate(invalid="ignore"):
        inside = (cleaned >= LOW32) & (cleaned <= HIGH32) & (cleaned != _NO_VALUE32)
        cleaned[~inside] = np.nan
    return cleaned


def clean_cells(
    variables: NDArray[np.int16], values: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Cleans single charted values; the same rule as ``clean``, and says what was wrong.

    Args:
        variables: ``(n,)`` indices into ``VARIABLES``.
        values: ``(n,)`` values in canonical units.

    Returns:
        ``(n,)`` cleaned float32 values, and two masks: not finite; finite but outside the
        limits, or the code for no value.
    """
    cleaned = _kept(values)
    is_fio2 = variables == FIO2
    cleaned[is_fio2] = fio2_fraction(cleaned[is_fio2])
    not_finite = ~np.isfinite(values)
    with np.errstate(invalid="ignore"):
        inside = (cleaned >= LOW32[variables]) & (cleaned <= HIGH32[variables])
        inside &= cleaned != _NO_VALUE32[variables]
    return cleaned, not_finite, ~inside & ~not_finite


def _kept(values: NDArray[Any]) -> NDArray[np.float32]:
    """A copy in the precision in which values are kept; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        copy: NDArray[np.float32] = values.astype(np.float32)
    copy += np.float32(0)  # -0.0 becomes 0.0: of equals, the bits must not depend on who came first
    return copy
