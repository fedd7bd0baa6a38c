"""Variations of the comparison: ablations, transfer between hospitals, and the daily task."""
