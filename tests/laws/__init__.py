"""Laws that hold for any input: order, repetition, time, leaks."""
