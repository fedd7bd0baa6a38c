"""The service: settings, the loop that performs effects, and the wiring of adapters."""
