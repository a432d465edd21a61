"""A server with a real store for conversations."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.audit import audit
from tests.support.imap import TestServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[TestServer]:
    """Users u1 and u2; the store is audited when the test is done."""
    server = TestServer(tmp_path)
    try:
        yield server
        assert server.faults == []
        with server.database.read() as tx:
            assert list(audit(tx)) == []
    finally:
        server.close()
