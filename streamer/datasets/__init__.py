"""Readers of public ICU data: PhysioNet 2012 and 2019."""
