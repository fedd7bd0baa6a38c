"""A long run with faults of every kind at all times; its output must not differ."""
