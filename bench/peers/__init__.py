"""The same work in other engines that a team might have picked, one file each.

They share ``work`` (from an event to a risk), ``network`` (the step of the LSTM) and
``peer_config`` (where to read and write). None of them does more than the service does, and where
one does less, ``docs/benchmarks.md`` says so. They run in an environment of
their own, see ``install``.
"""
