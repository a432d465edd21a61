"""What all tests share: readable assertions in the support code, and how long hypothesis looks for trouble."""

import os

import pytest

pytest.register_assert_rewrite("tests.support")

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import uvloop
from hypothesis import HealthCheck, settings

from tests.support.store import Store

# Nothing is timed: a slow machine must not fail a test.
settings.register_profile("ci", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", settings.get_profile("ci"), max_examples=5_000, stateful_step_count=100)
settings.load_profile("soak" if os.environ.get("PENFOLD_SOAK") else "ci")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop that production uses: connections end in other ways on it."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An open database with one mailbox, which has an INBOX; audited when the test is done."""
    store = Store(tmp_path)
    store.create_mailbox()
    try:
        yield store
        store.check()
    finally:
        store.close()
