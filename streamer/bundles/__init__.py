"""Model bundles: reading them, checking them, and building the model inside."""
