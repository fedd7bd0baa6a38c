"""Hyperparameter search over the recipe."""
