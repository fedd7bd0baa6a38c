"""The forecast of vital signs: how its head is trained, and what it is compared with."""
