"""The trainer in a notebook: DataFrames in, DataFrames out."""
