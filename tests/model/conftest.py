"""Time for hypothesis to make a failure small, which it gives up after five minutes: a failure must be seen whole."""

from pathlib import Path

import pytest

SECONDS = 900


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(SECONDS))
