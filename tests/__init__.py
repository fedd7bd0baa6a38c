"""Tests of Vigil."""
