"""Every family of models on the same patients, hours, labels and scorer: ``trainer compare``."""
