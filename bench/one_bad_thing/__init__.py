"""One bad thing on one partition, and what it costs the others: measured on real servers."""
