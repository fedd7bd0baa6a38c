"""The archive: what streamed by, kept in Delta tables, and the stays that are folded from it."""
