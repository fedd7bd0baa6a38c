"""An oracle that shares nothing with the product: the documents, written a second time.

`bench/oracle.py` folds the log through the core itself and compares bytes; it finds every fault of
batches, transactions and owners, and none of the core. This one is written from `docs/messages.md`,
`docs/operations.md`, `docs/variables.md` and `docs/model.md`, imports nothing of the product, and
reads a bundle's files by itself; it finds faults of the core, and of the documents.
"""
