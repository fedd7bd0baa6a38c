"""Vigil's training half: fits, judges and publishes the models that the streamer runs."""
