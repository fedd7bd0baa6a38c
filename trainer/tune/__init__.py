"""Hyperparameter search: `trainer tune`."""
