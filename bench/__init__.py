"""Programs that measure: anyone can run them, and the figures in the README come from them."""
