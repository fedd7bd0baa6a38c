"""Formats of stored stays: which are read, and which can be written.

A version of this program reads its own format and those before. While versions are replaced one by
one, the newer ones write what the older ones read, so that each may take over from the other.
"""

from typing import Final

NEWEST: Final = 5
WITH_OWN: Final = 5
"""The first with room for variables beyond the 34."""
WITHOUT_OWN: Final = 4
"""That one differs from it in nothing else: stays without any are written in it, so that the
version before reads them."""
OLDEST_WRITTEN: Final = 3
OLDEST: Final = 2
"""The oldest that is read."""
