"""What the service needs of the world, as Protocols; each has a real and an in-memory adapter."""
