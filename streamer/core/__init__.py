"""The pure core: events and states in, new states and messages out; no sockets, clocks or files."""
