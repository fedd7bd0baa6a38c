"""Stays as training data: cohort, split, labels, features, windows and batches."""
