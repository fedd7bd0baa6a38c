"""The model registry: bundles on disk, the champion, promotion, and scheduled retraining."""
