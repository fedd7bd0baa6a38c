"""Paths of the tree and of the real data beside it."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DATA = ROOT.parent / "shared" / "data"
"""Real ICU data; tests that need it are skipped, with a reason, where it is absent."""
