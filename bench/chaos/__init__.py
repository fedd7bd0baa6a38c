"""A long run in which everything breaks all the time, and nothing may come of it."""
