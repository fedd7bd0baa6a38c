"""The same work in other engines: what a team would otherwise have picked, one file each.

They share ``patient`` (what is known of one patient), ``network`` (the step of the LSTM) and
``config`` (where to read and write). None of them does more than the service does, and where one
does less, ``docs/benchmarks.md`` says so. They run in an environment of their own, see ``install``.
"""
