"""A recording for all tests that read it; in the long form one after the other."""

import time
from collections.abc import Iterator

import pytest

from conformance.durability.recorder import SEEDS, Recording, record
from conformance.support.servers import remove, scratch


@pytest.fixture(scope="session", params=SEEDS, ids=lambda seed: f"PENFOLD_SEED={seed}")
def recording(request: pytest.FixtureRequest) -> Iterator[Recording]:
    directory = scratch("durability")
    began = time.monotonic()
    try:
        found = record(directory, seed=request.param)
        print(f"\n{found.proof.told()}, {time.monotonic() - began:.1f} s")
        yield found
    finally:
        remove(directory)
