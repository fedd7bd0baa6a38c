"""What `streamer check` looks at: connections, settings, versions; a finding a line."""
