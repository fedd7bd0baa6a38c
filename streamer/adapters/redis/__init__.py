"""Redis behind the ports: states of stays, and the published model."""
