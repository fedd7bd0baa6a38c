"""Vigil's trainer: fits, evaluates and publishes the models that the streamer runs."""
