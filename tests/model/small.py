"""A store whose limits are so small that a handful of commands reaches all of them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from adapters.blobs import packs
from adapters.stores import sql
from core import copying, folders, items, view
from tests.model import oracle

MASKED_KEYWORDS = 2


@contextmanager
def small_limits() -> Iterator[None]:
    """Makes everything that has a size small."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(folders, "FOLDERS_PER_MAILBOX", oracle.FOLDERS)
        patch.setattr(folders, "FOLDER_DEPTH", oracle.DEPTH)
        patch.setattr(folders, "KEYWORDS_PER_FOLDER", oracle.KEYWORDS)
        patch.setattr(folders, "ROWS_PER_COMMAND", oracle.ROWS)
        for module in (items, copying):
            patch.setattr(module, "COPY_ROWS", oracle.COPIES)
        patch.setattr(sql, "KEYWORDS_IN_MASK", MASKED_KEYWORDS)
        patch.setattr(sql, "_MASK", (1 << MASKED_KEYWORDS) - 1)
        patch.setattr(sql, "INLINE_OCTETS", 8)
        patch.setattr(packs, "PACK_OCTETS", 300)
        patch.setattr(view, "_MASK", (1 << MASKED_KEYWORDS) - 1)
        patch.setattr(view, "CHUNK_MESSAGES", 3)
        yield
