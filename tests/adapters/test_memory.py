"""What the process keeps of memory that it has done with."""

import platform
import subprocess
import sys

import pytest

KEPT = 4 * 1024  # KiB, of the 19 MiB that one hash takes

# A process of its own, for malloc is told once for all.
HASH_ON_A_THREAD = """
from pathlib import Path
from threading import Thread
from argon2 import PasswordHasher
from adapters.server import memory

def resident():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon:")).split()[1])

{tuned}
hasher = PasswordHasher(time_cost=1, memory_cost=19 * 1024, parallelism=1)
before, after = resident(), []
def work():
    for _ in range(3):  # glibc's threshold rises with the first block that is freed
        hasher.hash("secret")
    after.append(resident())
thread = Thread(target=work)
thread.start()
thread.join()
print(after[0] - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="it is glibc that is told, and has to be")
@pytest.mark.parametrize("tuned", [True, False])
def test_a_password_leaves_nothing_of_its_memory_behind(tuned: bool) -> None:
    """The other case shows that the question is worth asking: malloc left alone keeps all of it."""
    script = HASH_ON_A_THREAD.format(tuned="memory.tune()" if tuned else "")
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert (int(ran.stdout) < KEPT) == tuned
