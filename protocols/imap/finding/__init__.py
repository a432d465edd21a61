"""SEARCH, SORT and THREAD, on whatever thread; what is kept of them in memory, and results that follow a folder."""
