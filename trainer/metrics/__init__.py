"""Metrics of a model on held-out patients, with intervals by resampling patients."""
