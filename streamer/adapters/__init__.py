"""Where the outside meets the ports: brokers, stores and files, each beside an in-memory twin."""
