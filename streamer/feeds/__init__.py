"""Feeds: recorded data replayed as events, and the sending of feeds to Kafka."""
