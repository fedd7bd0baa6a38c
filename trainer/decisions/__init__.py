"""From logits to decisions: calibration, thresholds, alert policy and predictions."""
