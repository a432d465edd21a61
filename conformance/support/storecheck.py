"""The audit of a store, as an administrator asks for it."""

import subprocess
import sys
from pathlib import Path


def findings(directory: Path) -> list[str]:
    """What `penfold check --deep` finds broken, the server running or not."""
    done = subprocess.run(
        [str(Path(sys.executable).parent / "penfold"), "check", "--deep", "--dir", str(directory)],
        capture_output=True,
        timeout=120,
        check=False,
    )
    said = done.stdout.decode() + done.stderr.decode()
    assert done.returncode in (0, 1), f"penfold check ended with {done.returncode}: {said}"
    assert said, "penfold check says what it has looked at"
    return said.splitlines() if done.returncode else []
