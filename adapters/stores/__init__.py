"""Stores: the one SQL implementation of the core's transactions, and the drivers beneath it."""
