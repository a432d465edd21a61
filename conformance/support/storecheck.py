"""The audit of a store whose server is not running."""

import subprocess
import sys
from pathlib import Path

from conformance.support.servers import ROOT

PROGRAM = """\
import sys
from pathlib import Path
from adapters.server.config import Server, Settings
from adapters.server.installation import Installation
from core.audit import audit
house = Installation(Settings(server=Server(data_dir=Path(sys.argv[1]))))
try:
    for database in house.databases.values():
        with database.read() as tx:
            for line in audit(tx, deep=True):
                print(line)
finally:
    house.close()
"""


def findings(directory: Path) -> list[str]:
    """What is broken, in a process of its own: no other may have the files open (storage engines lock by process)."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(directory)], cwd=ROOT, capture_output=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().splitlines()
