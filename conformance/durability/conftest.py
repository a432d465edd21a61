"""One recording for all tests that read it."""

import time
from collections.abc import Iterator

import pytest

from conformance.durability.recorder import Recording, record
from conformance.support.servers import remove, scratch


@pytest.fixture(scope="session")
def recording() -> Iterator[Recording]:
    directory = scratch("durability")
    began = time.monotonic()
    try:
        found = record(directory)
        print(f"\n{found.proof.told()}, {time.monotonic() - began:.1f} s")
        yield found
    finally:
        remove(directory)
