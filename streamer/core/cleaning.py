"""From charted numbers to believable ones: the FiO2 rule and the limits of the variable table."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from streamer.core.variables import BUILT_IN, FIO2, VariableTable, fio2_fraction


def clean(values: NDArray[Any], variables: VariableTable = BUILT_IN) -> NDArray[np.float32]:
    """Returns values in canonical units with errors made missing.

    Args:
        values: ``(..., V)`` charted values in the order of ``variables``, NaN where missing.
        variables: have the limits.

    Returns:
        ``(..., V)`` float32; FiO2 as a fraction, NaN where a value is infinite, outside of its
        limits, or the code of its variable for no value.
    """
    cleaned = _kept(values)
    cleaned[..., FIO2] = fio2_fraction(cleaned[..., FIO2])
    with np.errstate(invalid="ignore"):
        inside = (cleaned >= variables.low) & (cleaned <= variables.high)
        inside &= cleaned != variables.no_value
        cleaned[~inside] = np.nan
    return cleaned


def clean_cells(
    columns: NDArray[np.int16], values: NDArray[np.float64], variables: VariableTable = BUILT_IN
) -> tuple[NDArray[np.float32], NDArray[np.bool_], NDArray[np.bool_]]:
    """Cleans single charted values; the same rule as ``clean``, and says what was wrong.

    Args:
        columns: ``(n,)`` indices into ``variables``.
        values: ``(n,)`` values in canonical units.
        variables: have the limits.

    Returns:
        ``(n,)`` cleaned float32 values, and two masks: not finite; finite but outside the
        limits, or the code for no value.
    """
    cleaned = _kept(values)
    is_fio2 = columns == FIO2
    cleaned[is_fio2] = fio2_fraction(cleaned[is_fio2])
    not_finite = ~np.isfinite(values)
    with np.errstate(invalid="ignore"):
        inside = (cleaned >= variables.low[columns]) & (cleaned <= variables.high[columns])
        inside &= cleaned != variables.no_value[columns]
    return cleaned, not_finite, ~inside & ~not_finite


def _kept(values: NDArray[Any]) -> NDArray[np.float32]:
    """A copy in the precision in which values are kept; what is too large becomes infinite."""
    with np.errstate(over="ignore"):
        copy: NDArray[np.float32] = values.astype(np.float32)
    copy += np.float32(0)  # -0.0 becomes 0.0: of equals, the bits must not depend on who came first
    return copy
