"""How the process keeps its memory: what Python's collector and the C library's malloc are told once, at the start."""

import ctypes
import gc
from contextlib import suppress
from typing import Final

GENERATIONS: Final = (50_000, 20, 50)  # collect rarely: sessions are few cycles, and a full collection stalls them all

# glibc by itself raises the first to the largest block that was ever freed.  After one password (19 MiB for argon2id)
# each thread that hashes would keep as much for good.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # malloc.h
MALLOC: Final = {M_MMAP_THRESHOLD: 4 * 1024 * 1024, M_TRIM_THRESHOLD: 8 * 1024 * 1024}


def tune() -> None:
    """Before the first password is hashed."""
    gc.set_threshold(*GENERATIONS)
    with suppress(AttributeError):  # another C library, which has no such habit
        mallopt = ctypes.CDLL(None).mallopt
        for parameter, value in MALLOC.items():
            mallopt(parameter, value)


def freeze() -> None:
    """What lives from the start on need not be looked at again."""
    gc.collect()
    gc.freeze()
