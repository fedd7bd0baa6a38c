"""The checks of `streamer check`: connections, settings, versions; one line for each finding."""
