"""The store and its rules: plain synchronous Python over a transaction, with no I/O of its own."""
