"""The canary: an invented patient through the whole chain, each partition each minute, measured."""
